-- How like the question of a call was to the one whose kept answer served it.

-- +goose Up
ALTER TABLE usage_event ADD COLUMN similarity_ppm integer NOT NULL DEFAULT 0 CHECK (similarity_ppm BETWEEN 0 AND 1000000); -- a cosine, in millionths; 0: no other question's answer did

-- +goose Down
ALTER TABLE usage_event DROP COLUMN similarity_ppm;
