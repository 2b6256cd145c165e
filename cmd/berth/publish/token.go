package publish

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"berth/cmd/berth/client"
)

// uploadToken is the JWT of the asset calls. It is the server's: nothing here verifies it.
type uploadToken struct {
	jwt     string
	files   int           // how many files a deployment may have, 0: not said
	renewIn time.Duration // after the fetch, 0: only when refused
	fetched time.Time
}

// tokens hands out the current upload token and renews it.
type tokens struct {
	api     *client.Client
	project string
	now     func() time.Time

	mu      sync.Mutex // guards current; held while fetching, so that parallel uploads fetch one token
	current *uploadToken
}

// get returns a token that is not refused, the one the caller saw fail ("" if none did).
func (t *tokens) get(ctx context.Context, refused string) (*uploadToken, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.current; c != nil && c.jwt != refused && !t.due(c) {
		return c, nil
	}
	var result struct {
		JWT string `json:"jwt"`
	}
	req := client.Request{Method: http.MethodGet, Path: t.api.Project(t.project, "upload-token")}
	if _, err := t.api.Into(ctx, req, &result); err != nil {
		return nil, fmt.Errorf("get an upload token: %w", err)
	}
	token, err := readToken(result.JWT)
	if err != nil {
		return nil, fmt.Errorf("get an upload token: %w", err)
	}
	token.fetched = t.now()
	t.current = token
	return token, nil
}

func (t *tokens) due(c *uploadToken) bool {
	return c.renewIn > 0 && t.now().Sub(c.fetched) >= c.renewIn
}

// readToken reads the claims. Times are compared with each other only, never with our clock, which may be wrong.
func readToken(jwt string) (*uploadToken, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, errors.New("what the server gave is not a JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, fmt.Errorf("what the server gave is not a JWT: %w", err)
	}
	var claims struct {
		Expires  float64 `json:"exp"`
		IssuedAt float64 `json:"iat"`
		MaxFiles float64 `json:"max_file_count_allowed"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return nil, fmt.Errorf("what the server gave is not a JWT: %w", err)
	}
	token := &uploadToken{jwt: jwt, files: int(claims.MaxFiles)}
	if claims.IssuedAt > 0 && claims.Expires > claims.IssuedAt {
		token.renewIn = time.Duration((claims.Expires - claims.IssuedAt) * float64(time.Second) / 2)
	}
	return token, nil
}
