package agent

import "path/filepath"

// Settings are what scripts are told of the cluster.
type Settings struct {
	// Host is this node's name.
	Host string
	// ConfDir is where ha.cf is; "" is DefaultConfDir.
	ConfDir string
	// OCFRoot is where OCF agents are; "" is DefaultOCFRoot.
	OCFRoot string
	// FIFO is the file into which scripts write messages for the daemon.
	FIFO string
	// Parameters are NAME=VALUE of everything in ha.cf, or its default.
	Parameters []string
	// Legacy says that auto_failback is legacy.
	Legacy bool
}

// Env is what Heartbeat's scripts expect in their environment. Source:
// Heartbeat, section 9.2.
func (s Settings) Env() []string {
	conf, root := or(s.ConfDir, DefaultConfDir), or(s.OCFRoot, DefaultOCFRoot)
	env := []string{
		"HA_CURHOST=" + s.Host,
		"HA_DIR=" + conf,
		"HA_RCDIR=" + filepath.Join(conf, "rc.d"),
		"HA_RESOURCEDIR=" + filepath.Join(conf, "resource.d"),
		"HA_FUNCS=" + filepath.Join(conf, "shellfuncs"),
		"HA_BIN=/usr/lib/heartbeat",
		"HA_DOCDIR=/usr/share/doc/heartbeat",
		"HA_FIFO=" + s.FIFO,
		"HA_DATEFMT=%b %d %T ",
		"HA_DEBUGLOG=/dev/null",
		"HA_LOGD=no",
		"OCF_ROOT=" + root,
		"OCF_AGENTS=" + filepath.Join(root, "resource.d", "heartbeat"),
	}
	if !s.Legacy {
		env = append(env, "HA_NICEFAILBACK=yes")
	}
	for _, parameter := range s.Parameters {
		env = append(env, "HA_"+parameter)
	}
	return env
}
