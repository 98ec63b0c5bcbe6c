alter role "{{name}}" valid until '{{expiration}}'
