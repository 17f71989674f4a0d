"""How much a tenant may use, and how much it has used."""
