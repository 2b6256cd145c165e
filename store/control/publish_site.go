package control

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"berth/assets/sitefile"
	"berth/store"
)

// takeSiteFile reads the settings that came with the files and takes their file off the manifest: it is about the site,
// not of it. Settings that are not understood refuse the deployment, since it would not be served as its author says.
func (pub *publication) takeSiteFile() error {
	files, pr := pub.form.Files, pub.prover
	i := slices.IndexFunc(files, func(f manifestFile) bool { return f.Path == sitefile.Path })
	if i < 0 {
		return nil
	}
	settings, err := pub.svc.readSiteFile(pr.assets[pr.of[i]].blob)
	if err != nil {
		return err
	}
	pub.site = store.SiteSettings{CORS: choice(settings.CORS), Skew: choice(settings.SkewProtection)}
	if settings.KeepAssets != nil {
		pub.site.KeepAssets = storedKeep(*settings.KeepAssets)
	}
	pub.form.Files = slices.Delete(files, i, i+1)
	pr.of = slices.Delete(pr.of, i, i+1)
	pub.form.Notes = append(pub.form.Notes, siteNote(pub.site))
	return nil
}

func (s *Service) readSiteFile(ref store.FileRef) (sitefile.Settings, error) {
	settings, problems := sitefile.Settings{}, sitefile.CheckSize(ref.Size)
	if problems == nil {
		text, err := s.deps.Blobs.ReadAll(ref.Digest, ref.Size)
		if err != nil {
			return settings, fmt.Errorf("read %s: %w", sitefile.Name, err)
		}
		settings, problems = sitefile.Parse(text, sitefile.Options{MaxKeep: s.opts.KeepAssets})
	}
	if problems == nil {
		return settings, nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return settings, refuse(http.StatusBadRequest, codeBadRequest, "%s\nnothing was published", strings.Join(lines, "\n"))
}

// siteNote is what the deployment's log says of its settings.
func siteNote(site store.SiteSettings) string {
	var set []string
	for _, c := range []struct {
		name string
		is   store.Choice
	}{{"cors", site.CORS}, {"skew_protection", site.Skew}} {
		if c.is != store.Unset {
			set = append(set, fmt.Sprintf("%s = %t", c.name, c.is == store.On))
		}
	}
	if site.KeepAssets != 0 {
		set = append(set, fmt.Sprintf("keep_assets = %q", sitefile.FormatKeep(site.KeepAssets)))
	}
	if len(set) == 0 {
		return sitefile.Name + " sets nothing."
	}
	return fmt.Sprintf("%s: %s.", sitefile.Name, strings.Join(set, ", "))
}
