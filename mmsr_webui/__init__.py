"""The extension for Stable Diffusion WebUI (Forge, Forge Classic/Neo, A1111).

The host loads `scripts/*.py`, which fetch the classes from here. Nothing is imported from the host
before it asks for it. Of `mmsr_core` only the constants are imported at the host's start, and the
engine when the first picture is made.
"""
