package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// runHere runs the program in this process, in an empty directory and without the caller's settings.
func runHere(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "BERTH_") || strings.HasPrefix(name, "CLOUDFLARE_") {
			t.Setenv(name, "")
		}
	}
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	err := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	if err != nil {
		errs.WriteString(describe(err))
	}
	return exitStatus(err), out.String(), errs.String()
}

// What is wrong with a command line is told, with a way out, and exits with 2.
func TestUsageFaults(t *testing.T) {
	for args, want := range map[string]string{
		"":                                  "One of account, alias, bench, check, deploy",
		"projct":                            `there is no command "berth projct"; did you mean project?`,
		"project":                           "berth project what? One of create, delete, list, set, show",
		"project lst":                       "did you mean list",
		"project create":                    "NAME is missing\nRun 'berth project create --help' for usage.",
		"project create a b":                `"b" is one argument too many`,
		"project set docs":                  "nothing to set: give --cors, --skew-protection or --keep-assets",
		"project set docs --cors yes":       `invalid argument "yes" for "--cors" flag: want on, off or default`,
		"project set docs --keep-assets 3w": `want "off" or a time`,
		"check":                             "DIR is missing",
		"check a b":                         `"b" is one argument too many`,
		"check . --max-header-rules=-1":     "--max-header-rules is negative",
		"check . --max-files=-1":            "--max-files is negative",
		"check . --keep-assets soon":        `want "off" or a time`,
		"check . --token x":                 "unknown flag: --token",
		"deploy . --project x --max-header-line=-1": "--max-header-line is negative",
		"deploy .":                                             "--project is missing (or BERTH_PROJECT in the environment)",
		"deploy . --project x --nosuch":                        "unknown flag: --nosuch",
		"deploy . --project x --retries -1":                    "--retries -1",
		"deploy . --project x --retries many":                  `invalid argument "many"`,
		"deploy . --project x --max-file-bytes 0":              "--max-file-bytes 0",
		"deploy . --project x --commit-dirty perhaps":          "want true or false",
		"deployment list --project x --environment staging":    "want production or preview",
		"deployment list --project x --limit -1":               "--limit -1",
		"deployment delete --project x":                        "Give an ID, or --keep",
		"deployment delete --project x --branch y":             "Give an ID, or --keep",
		"deployment delete abc --keep 3 --project x":           "give either",
		"deployment delete --keep 3 --force --project x":       "--force is for one deployment",
		"deployment delete --older-than yesterday --project x": "is not an age",
		"domain add x":                           "--project is missing",
		"token create":                           "--scope is missing",
		"token create --scope all":               "want server, account, deploy or read",
		"token create --scope deploy":            "needs --project",
		"token create --scope read --project x":  "--project goes with --scope deploy only",
		"token create --scope read --expires so": `--expires: "so" is not an age`,
		"sweep --grace x":                        "--grace",
		"alias x":                                "--project is missing",
		"alias x --project No_Name":              "project name",
		"alias x --project y --domain a..b":      "--domain",
		"explain x --at -1":                      "want a revision",
		"serve --config none.toml":               "none.toml",
		"serve extra":                            `"extra" is one argument too many`,
		"serve --site-cache lots":                `"lots" is not a size`,
		"project list --token x --api ftp://x":   "is not of the form http://HOST:PORT",
		"project list --token x --api-ca none":   "--api-ca",
		"completion":                             "berth completion what? One of bash, fish",
		"completion tcsh":                        `there is no command "berth completion tcsh"`,
		"help projct":                            `there is no command "berth projct"; did you mean project?`,
		"help project lst":                       "did you mean list",
	} {
		t.Run(args, func(t *testing.T) {
			status, stdout, stderr := runHere(t, strings.Fields(args)...)
			if status != exitUsage || !strings.Contains(stderr, want) || !strings.Contains(stderr, "--help' for usage.") || stdout != "" {
				t.Errorf("exit status %d, want %q in\n%s", status, want, stderr)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const nowhere = "--api http://127.0.0.1:1 "
	for args, want := range map[string]string{
		"project list":                                            "no API token: give --token or BERTH_API_TOKEN",
		"project list --token x " + nowhere:                       "nothing listens there: start `berth serve`",
		"fsck --offline":                                          "is not a data directory",
		"sweep --offline":                                         "is not a data directory",
		"token create --offline --scope server":                   "is not a data directory",
		"check nowhere":                                           "no such file",
		"deploy nowhere --project x --token x --strict":           "no such file",
		"deploy nowhere --project x --token x":                    "no such file",
		"deploy . --project x --token x " + nowhere:               "holds no file to deploy",
		"deploy . --allow-empty --project x --token x " + nowhere: "nothing listens there",
	} {
		t.Run(args, func(t *testing.T) {
			status, stdout, stderr := runHere(t, strings.Fields(args)...)
			if status != exitFailed || !strings.Contains(stderr, want) || stdout != "" {
				t.Errorf("exit status %d, want %q in\n%s", status, want, stderr)
			}
			if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	for args, want := range map[string]string{
		"--help":                   "Available Commands",
		"help":                     "Available Commands",
		"help deploy":              "Uploads the files of DIR",
		"help token create":        "Scopes: server",
		"deployment delete --help": "--older-than",
		"--version":                "berth " + release,
		"version --json":           `"version":"` + release,
		"completion bash":          "__start_berth",
		"completion zsh":           "#compdef berth",
		"completion fish":          "complete",
		"__complete proj":          "project",
		"alias main --project docs --domain pages.example.org": "main.docs.pages.example.org",
	} {
		t.Run(args, func(t *testing.T) {
			status, stdout, stderr := runHere(t, strings.Fields(args)...)
			if status != exitDone || !strings.Contains(stdout, want) {
				t.Errorf("exit status %d, want %q in\n%s\n%s", status, want, stdout, stderr)
			}
		})
	}
}

func TestBadVariable(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BERTH_LIMIT", "many")
	var out bytes.Buffer
	err := run(t.Context(), []string{"deployment", "list", "--project", "x"}, nil, &out, &out)
	if exitStatus(err) != exitUsage || !strings.Contains(err.Error(), `environment variable BERTH_LIMIT="many"`) {
		t.Errorf("got %v", err)
	}
}
