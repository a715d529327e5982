"""The view as a picture: what bears which address, which rules it meets, where it leaves.

``scene`` makes a ``Picture`` of a ``View``; each of the other files writes that picture down in one
format, and ``registry`` lists them. Same view, same bytes.
"""
