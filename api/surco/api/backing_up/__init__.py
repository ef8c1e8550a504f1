"""Backup and restore of a store and its server's database."""
