"""Who may send: registering clients, their certificates and their keys, and ending them; by name and with a reason."""
