"""SLi-Rec and the layers that only it has."""
