"""Files of instructions: read, checked and delivered to an ingress."""
