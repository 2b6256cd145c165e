package control

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"berth/assets/sitefile"
	"berth/store"
)

// Site settings are a project's, by its PATCH, and a deployment's, by the berth.toml that came with its files. Where the
// deployment's are unset the project's hold, and where those are, the server's.

// siteObject is site settings as the API shows and takes them. null: not set.
type siteObject struct {
	CORS           *bool   `json:"cors"`
	SkewProtection *bool   `json:"skew_protection"`
	KeepAssets     *string `json:"keep_assets"` // "off" or a time such as "3d"
}

func describeSite(site store.SiteSettings) siteObject {
	o := siteObject{CORS: describeChoice(site.CORS), SkewProtection: describeChoice(site.Skew)}
	if site.KeepAssets != 0 {
		text := sitefile.FormatKeep(site.KeepAssets)
		o.KeepAssets = &text
	}
	return o
}

func describeChoice(c store.Choice) *bool {
	if c == store.Unset {
		return nil
	}
	on := c == store.On
	return &on
}

func choice(on *bool) store.Choice {
	switch {
	case on == nil:
		return store.Unset
	case *on:
		return store.On
	}
	return store.Off
}

// storedKeep is a time as it is stored, where 0 means that nothing was said.
func storedKeep(d time.Duration) time.Duration {
	if d <= 0 {
		return -1
	}
	return d
}

// siteOf is what holds for a deployment of a project, with nothing left unset; KeepAssets is negative for never. The zero
// Deployment gives what holds for one that brings no settings.
func (s *Service) siteOf(p store.Project, d store.Deployment) store.SiteSettings {
	site := store.SiteSettings{
		CORS:       cmp.Or(d.Site.CORS, p.Site.CORS, store.On),
		Skew:       cmp.Or(d.Site.Skew, p.Site.Skew, store.Off),
		KeepAssets: cmp.Or(d.Site.KeepAssets, p.Site.KeepAssets, s.opts.KeepAssets),
	}
	// The server's bound may have become lower since the setting was made.
	site.KeepAssets = storedKeep(min(site.KeepAssets, s.opts.KeepAssets))
	return site
}

// mergeSite applies the "site" of a body to a project's settings: null takes one, or all of them, back to the default.
func (s *Service) mergeSite(old store.SiteSettings, raw json.RawMessage) (store.SiteSettings, error) {
	if raw == nil {
		return old, nil
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(raw, &in); err != nil {
		return old, refuse(http.StatusBadRequest, codeBadRequest, "site: want an object with cors, skew_protection and keep_assets, or null")
	}
	if in == nil {
		return store.SiteSettings{}, nil
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := s.setSite(&old, name, in[name]); err != nil {
			return old, err
		}
	}
	return old, nil
}

func (s *Service) setSite(site *store.SiteSettings, name string, raw json.RawMessage) (err error) {
	switch name {
	case "cors":
		site.CORS, err = readChoice(name, raw)
	case "skew_protection":
		site.Skew, err = readChoice(name, raw)
	case "keep_assets":
		site.KeepAssets, err = s.readKeep(name, raw)
	default:
		err = refuse(http.StatusBadRequest, codeBadRequest, "site: there is no setting %q; there are cors, skew_protection and keep_assets", clip(name))
	}
	return err
}

func readChoice(name string, raw json.RawMessage) (store.Choice, error) {
	var on *bool
	if err := json.Unmarshal(raw, &on); err != nil {
		return store.Unset, refuse(http.StatusBadRequest, codeBadRequest, "site: %s: want true, false or null (the default), not %s", name, clip(string(raw)))
	}
	return choice(on), nil
}

func (s *Service) readKeep(name string, raw json.RawMessage) (time.Duration, error) {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, refuse(http.StatusBadRequest, codeBadRequest, "site: %s: want \"off\", a time such as \"3d\", or null (the default), not %s", name, clip(string(raw)))
	}
	if text == nil {
		return 0, nil
	}
	d, err := sitefile.ParseKeep(*text)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, codeBadRequest, "site: %s: %q: %v", name, clip(*text), err)
	}
	if err := sitefile.CheckKeep(d, s.opts.KeepAssets); err != nil {
		return 0, refuse(http.StatusBadRequest, codeLimit, "site: %s: %q: %v", name, clip(*text), err)
	}
	return storedKeep(d), nil
}

// siteChanged is called in the Update that changes a project's settings, after p is written with the new ones. What was
// done under the old ones and is not wanted under the new ones is undone here; caches follow by the commit itself, since
// it names the project.
func (s *Service) siteChanged(tx *store.Tx, p store.Project, old, now store.SiteSettings) error {
	if now.KeepAssets == old.KeepAssets {
		return nil
	}
	return s.endKept(tx, p)
}
