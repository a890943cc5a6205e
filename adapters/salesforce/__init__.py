"""Salesforce's login and REST API, by aiohttp."""
