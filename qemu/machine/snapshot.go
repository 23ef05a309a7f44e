package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Save writes a machine's memory and devices to a file and ends the machine;
// its disks are to be cloned (block.Disk.Clone) between Pause and Save. Of a
// pair, pause both before either is saved: then their connections live on.
func (m *Machine) Save(ctx context.Context, file string) error {
	if err := m.Pause(ctx); err != nil {
		return err
	}
	arguments := map[string]any{"uri": "exec:cat > '" + file + "'"}
	if _, err := m.control.execute(ctx, "migrate", arguments); err != nil {
		return fmt.Errorf("machine %s: save: %w", m.config.Name, err)
	}
	if err := m.migrated(ctx); err != nil {
		return fmt.Errorf("machine %s: save: %w", m.config.Name, err)
	}
	m.Kill()
	return nil
}

// Restore goes on with a machine that was saved. Its config must be the same
// but for the names of sockets. It is paused, so that a pair can be resumed
// together.
func Restore(ctx context.Context, test Test, config Config, file string) (*Machine, error) {
	test.Helper()
	m, err := start(ctx, test, config, file)
	if err != nil {
		return nil, fmt.Errorf("machine %s: restore: %w", config.Name, err)
	}
	if err := m.migrated(ctx); err != nil {
		return nil, fmt.Errorf("machine %s: restore: %w", config.Name, err)
	}
	return m, nil
}

// migrated waits until QEMU has written or read a snapshot.
func (m *Machine) migrated(ctx context.Context) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		text, err := m.control.execute(ctx, "query-migrate", nil)
		if err != nil {
			return err
		}
		var state struct {
			Status string `json:"status"`
			Desc   string `json:"error-desc"`
		}
		if err := json.Unmarshal(text, &state); err != nil {
			return fmt.Errorf("QMP query-migrate: %w", err)
		}
		switch state.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("QEMU's migration has %s: %s", state.Status, state.Desc)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
