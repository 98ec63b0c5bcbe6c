-- Reasons of their own for what HTTP itself refuses (RFC 9110 sections 15.5.5, 15.5.6, 15.5.9 and 15.5.18), so that the attestation says
-- what the answer said. Rows only: the previous release never gives these reasons.

insert into core.reasons (reason_code, http_status, meaning, next_action) values
  ('RESOURCE_UNKNOWN', 404, 'there is no such resource', 'read /v1/openapi.json'),
  ('METHOD_NOT_ALLOWED', 405, 'the resource has no such method', 'read /v1/openapi.json'),
  ('BODY_TIMEOUT', 408, 'the body did not arrive in time', 'retry with the same key'),
  ('EXPECTATION_UNSUPPORTED', 417, 'only Expect: 100-continue is understood', 'leave Expect out');
