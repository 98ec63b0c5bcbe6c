-- expects: ingress.item
alter type ingress.item owner to current_user;
