package control

import (
	"encoding/json"
	"io"
	"net/http"
)

// checkRoutes reads a _routes.json and refuses what no client sends: it says which requests reach the functions, and a
// server that guessed would run code for pages or pages for code.
func checkRoutes(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var doc struct {
		Version *int     `json:"version"`
		Include []string `json:"include"`
		Exclude []string `json:"exclude"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return refuse(http.StatusBadRequest, codeBadRequest, "_routes.json is not the JSON that it should be: %v", err)
	}
	switch {
	case doc.Version == nil || *doc.Version != 1:
		return refuse(http.StatusBadRequest, codeBadRequest, `_routes.json must say "version": 1`)
	case len(doc.Include) == 0:
		return refuse(http.StatusBadRequest, codeBadRequest, `_routes.json must have at least one rule in "include"`)
	}
	return nil
}
