"""DHCN and the layers that only it has."""
