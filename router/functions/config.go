package functions

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed dispatcher.js
var dispatcher []byte

// ourSocket is where the dispatcher finds this server. Paths in the configuration are relative to Options.Dir, where the process runs.
const ourSocket = "b.sock"

// config is workerd's. Sockets of style proxy take the whole URL in the request line, so that functions see it as it is; addresses that
// are not public are refused after names are looked up.
const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "dispatcher", worker = .dispatcher),
    (name = "berth", external = (address = "unix:` + ourSocket + `", http = ())),
    (name = "internet", network = (allow = ["public"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "functions", address = "unix:%s", http = (style = proxy), service = "dispatcher")],
);
const dispatcher :Workerd.Worker = (
  modules = [(name = "dispatcher.js", esModule = embed "dispatcher.js")],
  compatibilityDate = "2026-01-01",
  bindings = [(name = "LOADER", workerLoader = ()), (name = "BERTH", service = "berth")],
);
`

const configFile = "config.capnp"

// makeDir makes the directory anew, for this user alone.
func makeDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("functions: empty their directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("functions: make their directory: %w", err)
	}
	return nil
}

// configure writes what a process that is to listen on socket reads when it starts.
func configure(dir, socket string) error {
	for name, text := range map[string][]byte{"dispatcher.js": dispatcher, configFile: fmt.Appendf(nil, config, socket)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("functions: write the configuration: %w", err)
		}
	}
	return nil
}
