"""What people ask for, checked and turned into arrays."""
