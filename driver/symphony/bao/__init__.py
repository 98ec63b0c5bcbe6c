"""OpenBao: secrets, certificates, keys, short-lived database logins; a development server, its bootstrap, a client."""
