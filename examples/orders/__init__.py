"""Fulfils orders read from a CSV file: real stock, real invoices, a real payment service."""
