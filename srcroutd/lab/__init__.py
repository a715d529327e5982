"""A small cloud in network namespaces, to see and test source routing without a cloud."""
