package failover

// doing is the action under way. There is one at a time: groups are brought up and down one after the other, but one
// that waits for its next try does not hold up the others.
type doing struct {
	id     uint64 // 0: none
	group  int
	index  int
	action Action
}

// work starts the next action, or says that a group has reached its goal.
func (c *Core) work() (reached bool) {
	if c.doing.id != 0 {
		return false
	}
	i, due := c.due()
	if !due {
		return false
	}
	if index, action, ok := c.groups[i].next(); ok {
		c.do(i, index, action)
		return false
	}
	c.reach(i)
	return true
}

// due is the group whose turn it is. One whose last try was in vain comes after those that have waited longer for a
// step: a few whose programs hang would else hold up all others for good.
func (c *Core) due() (group int, found bool) {
	for _, local := range c.turns() {
		for i := range c.groups {
			g := &c.groups[i]
			switch {
			case g.local != local || g.goal == leave || c.now < g.retryAt:
			case !found && !g.inVain():
				return i, true
			case !found || g.served < c.groups[group].served:
				group, found = i, true
			}
		}
	}
	return group, found
}

// turns is which groups come first: those of a dead node, as with Heartbeat.
func (c *Core) turns() [2]bool { return [2]bool{!c.peer.absent(), c.peer.absent()} }

func (c *Core) do(i, index int, action Action) {
	c.lastID++
	c.doing = doing{id: c.lastID, group: i, index: index, action: action}
	c.groups[i].called(index, action)
	c.groups[i].served = c.lastID
	do := Effect{Kind: Do, ID: c.lastID, Group: i, Index: index, Action: action}
	if action == Stop {
		do.Within = c.hurry(i)
	}
	c.emit(do)
}

// done takes the answer to the action under way. What was to be reached may have changed meanwhile.
func (c *Core) done(in Input) {
	d := c.doing
	if d.id == 0 || in.ID != d.id {
		return
	}
	c.doing = doing{}
	g := &c.groups[d.group]
	before := g.stuck
	hadFailed := g.failed
	if d.action == Status {
		g.seen(d.index, in.State, in.Text, c.now)
		g.looked = g.looked || g.freshThrough()
	} else {
		g.acted(d.index, d.action, in.Failed, in.Text)
	}
	if g.failed != hadFailed {
		g.used = c.copies.Used(d.group)
		c.notef("%s: %s; what was started is stopped again", g.key, g.failed)
	}
	if g.stuck != before && g.stuck != "" {
		c.notef("%s: %s; it is tried again, and %s starts nothing before it has worked", g.key, g.stuck, c.cfg.Peer)
	}
}

// freshThrough says whether every resource has been looked at for the present goal.
func (g *group) freshThrough() bool {
	for i := range g.steps {
		if !g.steps[i].fresh {
			return false
		}
	}
	return true
}

// reach ends a goal.
func (c *Core) reach(i int) {
	g := &c.groups[i]
	if g.restarting {
		g.restopped(c.now)
		return
	}
	g.goal, g.tries = leave, 0
	if g.unclear() {
		g.retryAt = c.now + lookEach
	} else {
		g.partAt = 0
	}
	switch {
	case g.full():
		g.ordered = false
		g.failed, g.used, g.handed, g.again, g.againAt = "", false, false, 0, 0
		g.watch.index, g.watch.at, g.watch.suspect = 0, c.now+c.cfg.Monitor.Every, false
		if !g.held {
			g.held = true
			c.emit(Effect{Kind: Held, Group: i, OK: true})
			c.notef("%s runs here", g.key)
		}
	case g.empty() && g.held:
		g.held = false
		c.emit(Effect{Kind: Held, Group: i})
		c.notef("%s is stopped here", g.key)
	}
}
