"""The resolver: ties an alias to a beneficiary, with evidence, before anything is dispatched."""
