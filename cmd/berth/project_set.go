package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"berth/assets/sitefile"
	"berth/cmd/berth/client"
	"berth/cmd/berth/config"
)

func newProjectSet(a *app) *cobra.Command {
	site := map[string]any{} // what the flags say, as the API takes it
	c := a.withServer(a.verb("set", []string{"NAME"}, "Set how the sites of a project are served", `What is set holds at once, on every host of the project, and stays until it is set again. The berth.toml of a
deployment wins over it. Settings that are not named stay as they are; default takes one back to what the server does.
A shorter --keep-assets holds for what is answered already, too; a longer one holds from the next move of a host on.`,
		func(ctx context.Context, args []string) error {
			if len(site) == 0 {
				return wrong("nothing to set: give --cors, --skew-protection or --keep-assets")
			}
			raw, err := a.call(ctx, func(api *client.Client) client.Request {
				return client.Request{Method: http.MethodPatch, Path: api.Project(args[0]), JSON: map[string]any{"site": site}}
			})
			if err != nil {
				return fmt.Errorf("set up project %q: %w", args[0], err)
			}
			return a.print(raw, func(w io.Writer) {
				p := decode[client.Project](raw)
				fmt.Fprintf(w, "Project %s is served with\n", oneLine(p.Name))
				fields(w, siteRows(p))
			})
		}))
	f := c.Flags()
	f.Var(siteFlag{site, "cors", parseChoice}, "cors", "Access-Control-Allow-Origin: * on every file: `on`, off or default (on)")
	f.Var(siteFlag{site, "skew_protection", parseChoice}, "skew-protection", "pages keep to the deployment that they came from: `on`, off or default (off)")
	f.Var(siteFlag{site, "keep_assets", parseKeepChoice}, "keep-assets", "`time` for which files of earlier deployments are answered, such as 3d, off or default (the server's)")
	for _, name := range []string{"cors", "skew-protection", "keep-assets"} {
		// BERTH_KEEP_ASSETS is the server's bound: it must not become a project's setting in passing.
		annotate(f.Lookup(name), config.CommandLine, "true")
	}
	return c
}

// siteFlag is a flag that puts what it is given into the body of the call.
type siteFlag struct {
	site  map[string]any
	key   string
	parse func(string) (any, error)
}

func (s siteFlag) Set(text string) error {
	v, err := s.parse(text)
	if err == nil {
		s.site[s.key] = v
	}
	return err
}

func (s siteFlag) String() string { return "" }
func (s siteFlag) Type() string   { return "setting" }

func parseChoice(text string) (any, error) {
	switch text {
	case "on":
		return true, nil
	case "off":
		return false, nil
	case "default":
		return nil, nil
	}
	return nil, fmt.Errorf("want on, off or default")
}

func parseKeepChoice(text string) (any, error) {
	if text == "default" {
		return nil, nil
	}
	_, err := sitefile.ParseKeep(text)
	return text, err
}

// siteRows says what holds for a project, whose word it is, and where production's own settings say otherwise.
func siteRows(p client.Project) [][2]string {
	var own client.Site
	if p.Canonical != nil {
		own = p.Canonical.Site
	}
	row := func(name, set, effective, override string) [2]string {
		if set == "" && effective != "" {
			effective += " (default)"
		}
		if override != "" {
			effective += fmt.Sprintf("; production's %s says %s", sitefile.Name, override)
		}
		return [2]string{name, effective}
	}
	return [][2]string{
		row("cors", onOff(p.Site.CORS), onOff(p.EffectiveSite.CORS), onOff(own.CORS)),
		row("skew protection", onOff(p.Site.SkewProtection), onOff(p.EffectiveSite.SkewProtection), onOff(own.SkewProtection)),
		row("keep assets", orEmpty(p.Site.KeepAssets), orEmpty(p.EffectiveSite.KeepAssets), orEmpty(own.KeepAssets)),
	}
}

// siteText is the settings that a deployment brought along.
func siteText(s client.Site) string {
	var set []string
	for _, v := range [][2]string{{"cors", onOff(s.CORS)}, {"skew protection", onOff(s.SkewProtection)}, {"keep assets", orEmpty(s.KeepAssets)}} {
		if v[1] != "" {
			set = append(set, v[0]+" "+v[1])
		}
	}
	return strings.Join(set, ", ")
}

func onOff(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "on"
	}
	return "off"
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
