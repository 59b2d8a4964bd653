-- name: shift_interactions(shift_seconds)!
-- Move every interaction forward, so that the demo's data does not age out of the window.
--
-- Parameters:
--   shift_seconds double precision  by how many seconds
UPDATE interaction AS i
SET timestamp = i.timestamp + make_interval(secs => :shift_seconds::double precision);
