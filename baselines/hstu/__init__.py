"""HSTU: sequential transduction units, with places and times relative."""
