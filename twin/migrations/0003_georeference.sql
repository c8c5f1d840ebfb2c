-- Schema 3. What each model states about its place on Earth, as JSON of bim.georeference.Georeference.
ALTER TABLE model_revisions ADD COLUMN georeference VARCHAR DEFAULT '{}';
