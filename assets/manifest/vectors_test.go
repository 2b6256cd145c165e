package manifest

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var corpus = flag.String("corpus", "../../testdata/conformance", "the recorded vectors")

// TestRecordedAssetKeys computes the keys that the original computed.
func TestRecordedAssetKeys(t *testing.T) {
	f, err := os.Open(filepath.Join(*corpus, "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ran := 0
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var v struct {
				ID, Type, Path, Key string
				Bytes               []byte `json:"content_b64"`
				Content             string // says what the bytes are, where they are many
			}
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if v.Type == "asset-key" {
				ran++
				content, ok := recordedContent(v.Bytes, v.Content)
				if !ok {
					t.Fatalf("%s: what are %q?", v.ID, v.Content)
				}
				if got := AssetKeyOf(content, Extension("/"+v.Path)).String(); got != v.Key {
					t.Errorf("%s %s: %s, want %s", v.ID, v.Path, got, v.Key)
				}
			}
		}
		if err != nil {
			break
		}
	}
	if ran < 10 {
		t.Errorf("only %d vectors", ran)
	}
}

func recordedContent(raw []byte, described string) ([]byte, bool) {
	switch described {
	case "":
		return raw, true
	case "bytes 00..ff repeated 400 times":
		var all strings.Builder
		for i := range 400 * 256 {
			all.WriteByte(byte(i))
		}
		return []byte(all.String()), true
	}
	return nil, false
}
