package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"berth/store"
)

// A token reads berth_<id>_<secret>: 16 hex digits that name its record, and 64 that prove it. The stored hash is a
// plain SHA-256 of the whole: 256 random bits need no slow hash.
const (
	tokenPrefix     = "berth_"
	tokenIDLen      = 16
	tokenSecretLen  = 64
	tokenUseGrain   = 10 * time.Minute // how exact LastUsed is
	maxTokenNameLen = 128
)

// errNoToken is the one answer for every token that is not one: malformed, unknown, revoked or with a wrong secret.
var (
	errNoToken      = refuse(http.StatusUnauthorized, codeAuth, "this API token is not known here: check it, or have a new one made (berth token create)")
	errTokenMissing = refuse(http.StatusUnauthorized, codeAuth, "no API token: send it as Authorization: Bearer TOKEN (CLOUDFLARE_API_TOKEN, BERTH_API_TOKEN)")
)

// tokenText returns the token of a request. X-Auth-Key wins, as it does in the clients.
func tokenText(r *http.Request) string {
	if key := r.Header.Get("X-Auth-Key"); key != "" {
		return key
	}
	return bearer(r)
}

func bearer(r *http.Request) string {
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(text)
}

// tokenID returns the public part of a token that has the form of one.
func tokenID(text string) (string, bool) {
	id, secret, ok := strings.Cut(strings.TrimPrefix(text, tokenPrefix), "_")
	if !ok || !strings.HasPrefix(text, tokenPrefix) || len(id) != tokenIDLen || len(secret) != tokenSecretLen {
		return "", false
	}
	return id, isHex(id) && isHex(secret)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// authenticate finds whoever makes the request.
func (s *Service) authenticate(r *http.Request) (Principal, error) {
	text := tokenText(r)
	if text == "" {
		return Principal{}, errTokenMissing
	}
	return s.Authenticate(text)
}

// Authenticate finds the holder of a token, and notes that it was used.
func (s *Service) Authenticate(text string) (Principal, error) {
	p, err := s.holder(text)
	if err == nil {
		s.uses.note(p.Token, s.now())
	}
	return p, err
}

// holder finds whose token it is. Its refusal is the same for all that is not a token of this server; only
// who proves to hold an expired one is told so.
func (s *Service) holder(text string) (Principal, error) {
	id, formed := tokenID(text)
	var t store.Token
	if formed {
		var err error
		if t, err = s.deps.Store.Token(id); err != nil && !errors.Is(err, store.ErrNotFound) {
			return Principal{}, fmt.Errorf("look up token %s: %w", id, err)
		}
	}
	// An unknown token is compared too, with the zero hash that nothing has.
	sum := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare(sum[:], t.Hash[:]) != 1 || t.ID == "" {
		return Principal{}, errNoToken
	}
	if !t.Expires.IsZero() && !s.now().Before(t.Expires) {
		return Principal{}, refuse(http.StatusUnauthorized, codeAuth, "this API token expired at %s: have a new one made", t.Expires.UTC().Format(time.RFC3339))
	}
	return Principal{Token: t}, nil
}

// mintToken draws a new token and returns its text, which is nowhere stored, and its record.
func (s *Service) mintToken() (string, store.Token, error) {
	var raw [tokenIDLen/2 + tokenSecretLen/2]byte
	if _, err := io.ReadFull(s.deps.Rand, raw[:]); err != nil {
		return "", store.Token{}, fmt.Errorf("draw a token: %w", err)
	}
	id := hex.EncodeToString(raw[:tokenIDLen/2])
	text := tokenPrefix + id + "_" + hex.EncodeToString(raw[tokenIDLen/2:])
	return text, store.Token{ID: id, Hash: sha256.Sum256([]byte(text)), Created: s.now()}, nil
}

// tokenUses gathers when tokens were used, so that a call never waits for a write that only says that it was made.
type tokenUses struct {
	mu      sync.Mutex // guards pending
	pending map[string]time.Time
}

// note remembers a use unless a recent one is stored. Only live tokens come here, which bounds the map.
func (u *tokenUses) note(t store.Token, now time.Time) {
	if now.Sub(t.LastUsed) < tokenUseGrain {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pending[t.ID] = now
}

// take empties the map.
func (u *tokenUses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.pending
	u.pending = make(map[string]time.Time)
	return taken
}

// flushTokenUses stores what was gathered. A token that was revoked meanwhile stays revoked.
func (s *Service) flushTokenUses(ctx context.Context) error {
	uses := s.uses.take()
	if len(uses) == 0 {
		return nil
	}
	_, err := s.deps.Store.Update(ctx, func(tx *store.Tx) error {
		for id, at := range uses {
			t, err := tx.Token(id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			t.LastUsed = at
			if err := tx.PutToken(t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store when tokens were used: %w", err)
	}
	return nil
}
