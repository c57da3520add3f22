"""The extension for Stable Diffusion WebUI (Forge, Forge Classic/Neo, A1111).

The host loads `scripts/*.py`, which fetch the classes from here. Nothing is imported from the host
before it asks for it, and `mmsr_core` is imported when the first picture is made.
"""
