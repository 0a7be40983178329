package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hitl-go/sdk/botpress"
)

// devFolder keeps what one run of 'dev' tells the next.
const devFolder = ".hitl-dev"

// devState is the development version of this folder.
type devState struct {
	TunnelID      string `json:"tunnelId"`
	IntegrationID string `json:"integrationId"`
	SigningSecret string `json:"signingSecret"` // Botpress shows it once
	WorkspaceID   string `json:"workspaceId"`
}

func statePath() string { return filepath.Join(devFolder, "state.json") }

// readDevState returns an empty state if there is none.
func readDevState() (*devState, error) {
	text, err := os.ReadFile(statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return &devState{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read; make it readable, or remove %s to begin anew: %w", statePath(), devFolder, err)
	}
	var s devState
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s is not what 'dev' has written; remove it to begin anew: %w", statePath(), err)
	}
	return &s, nil
}

// write keeps the state in a folder that only its owner can read, and that git ignores.
func (s *devState) write() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(devFolder, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(devFolder, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	// It is there as a whole or not at all.
	if err := os.WriteFile(statePath()+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(statePath()+".new", statePath())
}

// profile is an entry in the file of Botpress' own command line.
type profile struct {
	Token       string `json:"token"`
	WorkspaceID string `json:"workspaceId"`
	APIURL      string `json:"apiUrl"`

	name string
}

// useProfile takes the token and the API's address from a profile, and the workspace if no flag or variable sets it. A token goes to no other
// address. Without a profile nothing changes.
func (d *dev) useProfile() error {
	if d.profile == "" && d.Getenv("BP_TOKEN") != "" {
		return nil // the token of another profile's workspace would fit neither
	}
	p, err := d.readProfile()
	if err != nil || p == nil {
		return err
	}
	d.profile, d.workspaceID = p.name, cmp.Or(d.workspaceID, p.WorkspaceID)
	if d.workspaceID == "" {
		return fmt.Errorf("the profile %q names no workspace; set --workspace to the id of one", p.name)
	}
	getenv := d.Getenv
	d.Getenv = func(name string) string {
		switch name {
		case "BP_TOKEN":
			return p.Token
		case "BP_API_URL":
			return cmp.Or(p.APIURL, botpress.DefaultBaseURL)
		default:
			return getenv(name)
		}
	}
	return nil
}

func (d *dev) readProfile() (*profile, error) {
	home := d.Getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	folder := filepath.Join(home, ".botpress")
	name := d.profile
	if name == "" {
		var global struct {
			ActiveProfile string `json:"activeProfile"`
		}
		if err := readJSON(filepath.Join(folder, "global.cache.json"), &global); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		name = cmp.Or(global.ActiveProfile, "default")
	}
	var profiles map[string]profile
	path := filepath.Join(folder, "profiles.json")
	switch err := readJSON(path, &profiles); {
	case errors.Is(err, fs.ErrNotExist) && d.profile == "":
		return nil, nil //nolint:nilnil // Nobody has asked for one.
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s, so there is no profile %q; log in with 'bp login', or set BP_TOKEN", path, name)
	case err != nil:
		return nil, err
	}
	p, ok := profiles[name]
	switch {
	case !ok && d.profile == "":
		return nil, nil //nolint:nilnil // Nobody has asked for one.
	case !ok:
		return nil, fmt.Errorf("%s has no profile %q; choose another --profile, or set BP_TOKEN", path, name)
	case p.Token == "":
		return nil, fmt.Errorf("the profile %q in %s has no token; log in again with 'bp login', or set BP_TOKEN", name, path)
	}
	p.name = name
	return &p, nil
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path) //nolint:gosec // Its name is ours.
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s is not valid JSON; log in again with 'bp login', or set BP_TOKEN: %w", path, err)
	}
	return nil
}
