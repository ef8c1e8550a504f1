"""Adapters over HTTP: fitted from labels in one request, listed, compared, asked, taken back."""
