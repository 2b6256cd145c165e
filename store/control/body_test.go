package control

import (
	"encoding/json"
	"testing"
)

// Callers know nothing of Go's kinds.
func TestBodyOfAnotherKind(t *testing.T) {
	for text, want := range map[string]string{"[]": "the request body is a JSON array; want an object", `"x"`: "the request body is a JSON string; want an object"} {
		var into struct{ Name string }
		if got := jsonFault(json.Unmarshal([]byte(text), &into)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	var list []string
	if got := jsonFault(json.Unmarshal([]byte("{}"), &list)); got != "the request body is a JSON object; want an array" {
		t.Errorf("{}: %q", got)
	}
}
