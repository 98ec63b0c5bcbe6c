-- expects: ingress.find_accepted(text,uuid,text)
grant execute on function ingress.find_accepted(text, uuid, text) to symphony_rails_owner;
