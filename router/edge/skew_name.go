package edge

import (
	"encoding/hex"
	"strings"

	"berth/store"
)

// pinQuery and the field X-Deployment-Id choose a deployment for one request.
const pinQuery = "dpl"

const (
	labelDigits = 8  // of a deployment's host name
	uuidChars   = 36 // 8-4-4-4-12 hex digits
)

// deploymentName is a deployment as requests name it: by its ID, or by the label that its ID begins with.
type deploymentName struct {
	id    store.UUID
	whole bool
}

func parseDeploymentName(s string) (n deploymentName, ok bool) {
	if len(s) == labelDigits {
		_, err := hex.Decode(n.id[:labelDigits/2], bytesOf(s))
		return n, err == nil
	}
	if len(s) != uuidChars {
		return n, false
	}
	n.whole = true
	at := 0
	for i := 0; i < len(s); {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return n, false
			}
			i++
			continue
		}
		if _, err := hex.Decode(n.id[at:at+1], bytesOf(s[i:i+2])); err != nil {
			return n, false
		}
		at++
		i += 2
	}
	return n, true
}

func (n deploymentName) is(id store.UUID) bool {
	if n.whole {
		return n.id == id
	}
	return [labelDigits / 2]byte(n.id[:]) == [labelDigits / 2]byte(id[:])
}

// queryValue is the first value that a target's query has for a key, as it stands there; "" if there is none.
func queryValue(target, key string) string {
	target, _, _ = strings.Cut(target, "#")
	_, query, _ := strings.Cut(target, "?")
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if name, value, _ := strings.Cut(pair, "="); name == key {
			return value
		}
	}
	return ""
}
