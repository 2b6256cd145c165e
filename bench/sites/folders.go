package sites

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFolders writes DIR/HOST/FILE for each site, readable to everybody: servers may run as another user.
func (c Config) WriteFolders(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for site := range c.Sites {
		if err := ctx.Err(); err != nil {
			return err
		}
		folder := filepath.Join(dir, Host(site))
		if err := os.Mkdir(folder, 0o755); err != nil {
			return fmt.Errorf("write the sites' folders: %w", err)
		}
		for _, f := range c.FilesOf(site) {
			if err := os.WriteFile(filepath.Join(folder, f.Name), c.Content(site, f), 0o644); err != nil {
				return fmt.Errorf("write the sites' folders: %w", err)
			}
		}
	}
	return nil
}
