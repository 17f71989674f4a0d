-- The browsers of operators. They belong to no tenant: tq_admin alone reads and writes them, and no api process has that role.

CREATE TABLE operator_session (
    id uuid PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    operator text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE operator_session IS 'A browser that is signed in to the operator''s pages.';
COMMENT ON COLUMN operator_session.digest IS 'SHA-256 of the cookie, which has 256 random bits.';
COMMENT ON COLUMN operator_session.operator IS 'The system user who made the link; the audit log names this operator.';
COMMENT ON COLUMN operator_session.expires_at IS 'The row is deleted some time after.';

CREATE TABLE operator_link (
    id uuid PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    operator text NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE operator_link IS 'A link that signs a browser in to the operator''s pages once. Using it deletes the row.';
COMMENT ON COLUMN operator_link.digest IS 'SHA-256 of the secret part of the link, which has 256 random bits.';
COMMENT ON COLUMN operator_link.operator IS 'The system user who made it on the command line.';
COMMENT ON COLUMN operator_link.expires_at IS 'The link is invalid from this time on.';
