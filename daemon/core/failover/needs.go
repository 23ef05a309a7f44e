package failover

import "fmt"

// Needs says for what a group needs the resource of that number, for an operator who is about to take it away; nothing
// if it does not. In maintenance a group that is not being brought anywhere is left to operators.
func (c *Core) Needs(group, index int) string {
	g := &c.groups[group]
	moving := g.goal != leave && g.goal != look
	switch {
	case g.goal != run && !g.restarting && g.steps[index].state == Stopped, c.upkeep.on() && !moving:
		return ""
	}
	s := c.snapshotOf(g)
	running := 0
	for i := range g.steps {
		if g.steps[i].state == Running {
			running++
		}
	}
	text := fmt.Sprintf("group %s is %s here, %d of its %d resources run", g.key, s.State, running, len(g.steps))
	if d := c.doing; d.id != 0 && d.group == group {
		text += fmt.Sprintf(", and %s of %s is under way", d.action, g.steps[d.index].name)
	}
	return text
}
