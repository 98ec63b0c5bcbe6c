-- expects: symphony_shadow_owner
create role symphony_shadow_owner login;
