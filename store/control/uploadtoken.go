package control

import (
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/golang-jwt/jwt/v5"

	"berth/store"
)

// uploadClaims is what an upload JWT says. It names its account and project by number, and the project by UUID too.
type uploadClaims struct {
	Account  store.AccountNo `json:"berth_account"`
	Project  store.ProjectNo `json:"berth_project"`
	UUID     string          `json:"berth_project_id"` // 32 hex digits
	MaxFiles int             `json:"max_file_count_allowed"`
	jwt.RegisteredClaims
}

// Every fault of the token itself has this code, which makes wrangler fetch a new one. Nothing else may have it: it
// would be asked for again for ever.
var (
	errUploadToken        = refuse(http.StatusUnauthorized, codeUploadToken, "the upload token is not valid here: fetch a new one (GET …/upload-token)")
	errUploadTokenExpired = refuse(http.StatusUnauthorized, codeUploadToken, "the upload token has expired: fetch a new one (GET …/upload-token)")
)

// uploadAudience keeps tokens of another purpose, should there ever be one under this key, from uploading.
const uploadAudience = "berth-upload"

func (s *Service) signUploadToken(a store.Account, p store.Project) (string, error) {
	now := s.now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, uploadClaims{
		Account: a.No, Project: p.No, UUID: hex.EncodeToString(p.UUID[:]), MaxFiles: s.opts.MaxFiles,
		RegisteredClaims: jwt.RegisteredClaims{
			Audience:  jwt.ClaimStrings{uploadAudience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(s.opts.UploadTokenTTL)),
		},
	}).SignedString(s.deps.UploadKey[:])
}

func (s *Service) parseUploadToken(text string) (uploadClaims, error) {
	var c uploadClaims
	_, err := jwt.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return s.deps.UploadKey[:], nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithAudience(uploadAudience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.deps.Now), jwt.WithStrictDecoding())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return uploadClaims{}, errUploadTokenExpired
	case err != nil:
		return uploadClaims{}, errUploadToken
	}
	return c, nil
}

// authoriseUpload lets the holder of an upload JWT call the asset endpoints, for the project it names.
func (s *Service) authoriseUpload(c *call) error {
	claims, err := s.parseUploadToken(bearer(c.r))
	if err != nil {
		return err
	}
	p, err := s.deps.Store.Project(claims.Project)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	if gone || hex.EncodeToString(p.UUID[:]) != claims.UUID || p.Account != claims.Account || p.State != store.ProjectActive {
		return refuse(http.StatusGone, codeProjectMissing, "the project of this upload token is gone")
	}
	a, err := s.deps.Store.Account(p.Account)
	if err != nil {
		return err
	}
	c.upload, c.project, c.account = claims, p, a
	return nil
}
