package witness

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// Never is the Deadline of a client that waits for nothing.
const Never = time.Duration(1<<63 - 1)

// The others who have a vote besides this node.
const (
	theWitness = 0
	thePeer    = 1
	others     = 2
)

// An InputKind says what happened.
type InputKind uint8

// The inputs of a Client; Data is a packet of witnesswire.
const (
	// Tick: time has passed; wanted whenever Deadline is reached.
	Tick InputKind = 1
	// Answered: the witness answers.
	Answered InputKind = 2
	// PeerAsks and PeerAnswered: the other node does.
	PeerAsks     InputKind = 3
	PeerAnswered InputKind = 4
	// Reached: the witness can be heard again (Text empty), or can't, and why.
	Reached InputKind = 5
)

// Input is one thing that happened. Which fields count depends on Kind.
type Input struct {
	Kind InputKind
	Data []byte // valid during the Step only
	Text string
}

// An EffectKind says what is to be done.
type EffectKind uint8

// The effects; Data is a packet of witnesswire.
const (
	// AskWitness: send Data to the witness. Nothing is lost if it gets lost.
	AskWitness EffectKind = 1
	// AskPeer and AnswerPeer: send Data to the other node.
	AskPeer    EffectKind = 2
	AnswerPeer EffectKind = 3
	// Note: Text is a line for the log.
	Note EffectKind = 4
)

// Effect is one thing to do. Effects are carried out in the order in which they stand.
type Effect struct {
	Kind EffectKind
	Data []byte
	Text string
}

// Client collects the votes for one node.
type Client struct {
	cfg    Config
	now    time.Duration
	out    []Effect
	own    *Voter // this node's vote
	groups []claim

	sequence    uint64
	asked       [16]asked // the last questions, by sequence
	askAt       time.Duration
	askedAt     time.Duration
	incarnation [others]uint64
	heardAt     [others]time.Duration // 0: never
	unreached   string                // why the witness can't be reached
}

// asked is a question that was sent.
type asked struct {
	sequence uint64
	at       time.Duration
	flags    []witnesswire.Flags // of each group
}

// claim is what this node wants with a group, and has.
type claim struct {
	flags   witnesswire.Flags // Want, Alone, Equal as the machine says; Force until a vote is won
	until   [others]time.Duration
	verdict [others]witnesswire.Verdict // the last ones
	// alone is when the newest question was sent that said Alone and was granted, by
	// the witness if there is one: a peer that has heard of it may crash, and forget.
	alone   time.Duration
	since   time.Duration // when the group was wanted, after it was not
	vouched bool          // the witness's last word was a vote, and that no newer data are anywhere
}

// NewClient makes one that holds nothing, of a Config that Check finds good.
func NewClient(now time.Duration, cfg Config) *Client {
	return &Client{
		cfg: cfg, now: now, own: NewVoter(now, cfg.Lease, cfg.Start+1), groups: make([]claim, len(cfg.Groups)),
		sequence: cfg.Start << 32, askedAt: now - gap,
	}
}

// Step applies one input and appends what must be done about it.
func (c *Client) Step(now time.Duration, in Input, out []Effect) []Effect {
	c.now, c.out = now, out
	switch in.Kind {
	case Tick:
	case Answered:
		c.answered(theWitness, in.Data)
	case PeerAnswered:
		c.answered(thePeer, in.Data)
	case PeerAsks:
		c.peerAsks(in.Data)
	case Reached:
		c.unreached = in.Text
		if in.Text == "" {
			c.soon()
		}
	}
	c.ask()
	out, c.out = c.out, nil
	return out
}

// Deadline is when the next Tick is wanted.
func (c *Client) Deadline() time.Duration { return c.askAt }

// Say tells the client what the node wants with a group, and what it knows of
// its data; a Tick must follow. Force is kept until a vote is won.
func (c *Client) Say(now time.Duration, group int, flags witnesswire.Flags) {
	c.now = now
	g := &c.groups[group]
	if flags == g.flags&^witnesswire.Force {
		return
	}
	wanted := g.flags&witnesswire.Want != 0
	g.flags = flags | g.flags&witnesswire.Force
	switch {
	case flags&witnesswire.Want == 0:
		*g = claim{flags: flags, verdict: g.verdict}
	case !wanted:
		g.since = now
	}
	c.soon()
}

// Force takes an operator's word that the other node runs nothing of a group.
func (c *Client) Force(now time.Duration, group int) {
	c.now = now
	c.groups[group].flags |= witnesswire.Force
	c.soon()
}

// gap is the least time between two questions.
const gap = 100 * time.Millisecond

// soon asks again as soon as may be.
func (c *Client) soon() { c.askAt = min(c.askAt, max(c.now, c.askedAt+gap)) }

// ask sends the question about all groups when it is time.
func (c *Client) ask() {
	if c.now < c.askAt {
		return
	}
	c.sequence++
	c.askedAt = c.now
	ask := witnesswire.Ask{
		Sequence: c.sequence, Lease: c.cfg.Lease, Cluster: c.cfg.Cluster, Node: c.cfg.Node,
		Groups: make([]witnesswire.Group, len(c.groups)),
	}
	note := &c.asked[c.sequence%uint64(len(c.asked))]
	*note = asked{sequence: c.sequence, at: c.now, flags: note.flags[:0]}
	wanted, missing := false, false
	for i := range c.groups {
		flags := c.groups[i].flags
		want := flags&witnesswire.Want != 0
		wanted = wanted || want
		missing = missing || want && c.Until(i) <= c.now
		note.flags = append(note.flags, flags)
	}
	c.askAt = c.now + c.cfg.Lease/6
	switch {
	case missing:
		c.askAt = c.now + min(time.Second, c.cfg.Lease/12)
	case !wanted:
		c.askAt = c.now + c.cfg.Lease/3
	}
	if c.cfg.Policy == ByWitness {
		c.out = append(c.out, Effect{Kind: AskWitness, Data: c.to(theWitness, ask, note.flags)})
	}
	c.out = append(c.out, Effect{Kind: AskPeer, Data: c.to(thePeer, ask, note.flags)})
}

// to is a question to one of those who have a vote. What this node holds by another one's
// shows nobody that has started anew what it has promised itself: the peer may have that.
func (c *Client) to(who int, ask witnesswire.Ask, flags []witnesswire.Flags) []byte {
	ask.Incarnation = c.incarnation[who]
	for i := range ask.Groups {
		ask.Groups[i] = witnesswire.Group{Flags: flags[i], Name: c.cfg.Groups[i]}
		if c.groups[i].until[who] > c.now {
			ask.Groups[i].Flags |= witnesswire.Held
		}
	}
	return ask.Append(nil)
}

// answered takes the answer of one who has a vote.
func (c *Client) answered(from int, data []byte) {
	a, err := witnesswire.DecodeAnswer(data)
	if err != nil {
		c.out = append(c.out, Effect{Kind: Note, Text: err.Error()})
		return
	}
	note := &c.asked[a.Sequence%uint64(len(c.asked))]
	if note.sequence != a.Sequence || len(a.Groups) != len(c.groups) {
		return // older than what is remembered
	}
	c.heardAt[from] = c.now
	if c.incarnation[from] != a.Incarnation {
		c.incarnation[from] = a.Incarnation
		c.soon()
	}
	for i, grant := range a.Groups {
		c.granted(i, from, note, grant)
	}
}

// granted takes one vote. It lasts from when it was asked for: who gives it
// counts from later on. An eighth is for clocks that go at different speeds: of
// guests on a host that is overloaded they do, by a twentieth and more.
func (c *Client) granted(i, from int, note *asked, grant witnesswire.Grant) {
	g := &c.groups[i]
	g.verdict[from] = grant.Verdict
	if from == theWitness {
		g.vouched = grant.Verdict == witnesswire.Granted|witnesswire.Vouched ||
			grant.Verdict == witnesswire.Granted && planted.On(planted.GateUnvouched)
	}
	if grant.Verdict&^witnesswire.Vouched == witnesswire.Taken {
		g.flags &^= witnesswire.Force // the operator was wrong
	}
	if grant.Verdict&^witnesswire.Vouched != witnesswire.Granted || g.flags&witnesswire.Want == 0 {
		return
	}
	if note.at < g.since {
		return // what was granted then may have been given back since
	}
	since := note.at
	if planted.On(planted.LeaseFromAnswer) {
		since = c.now
	}
	g.until[from] = max(g.until[from], since+c.cfg.Lease-c.cfg.Lease/8)
	g.flags &^= witnesswire.Force
	if note.flags[i]&witnesswire.Alone != 0 && (from == theWitness || c.cfg.Policy == Freeze) {
		g.alone = max(g.alone, note.at+1)
	}
}

// peerAsks gives this node's vote to the other node, or does not.
func (c *Client) peerAsks(data []byte) {
	ask, err := witnesswire.DecodeAsk(data)
	switch {
	case err != nil:
		c.out = append(c.out, Effect{Kind: Note, Text: err.Error()})
		return
	case ask.Node != c.cfg.Peer || ask.Cluster != c.cfg.Cluster:
		return
	}
	c.voteForSelf()
	answer, ok := c.own.Ask(c.now, ask)
	if ok {
		c.out = append(c.out, Effect{Kind: AnswerPeer, Data: answer.Append(nil)})
	}
}

// voteForSelf keeps this node's vote for the groups that it wants; about the
// others it says that they are not its own, which it knows best.
func (c *Client) voteForSelf() {
	for i := range c.groups {
		c.hasOwn(i)
	}
}

// hasOwn tells whether this node's own vote is for itself.
func (c *Client) hasOwn(i int) bool {
	g := &c.groups[i]
	flags := g.flags &^ (witnesswire.Alone | witnesswire.Equal)
	verdict := c.own.vote(c.now, witnesswire.Ask{Lease: c.cfg.Lease, Cluster: c.cfg.Cluster, Node: c.cfg.Node},
		witnesswire.Group{Flags: flags, Name: c.cfg.Groups[i]}).Verdict
	return verdict&^witnesswire.Vouched == witnesswire.Granted
}

// Until is until when the votes of others make the lease of a group, with this
// node's own.
func (c *Client) Until(i int) time.Duration {
	g := &c.groups[i]
	if c.cfg.Policy == Freeze {
		return g.until[thePeer]
	}
	return max(g.until[theWitness], g.until[thePeer])
}

// Held tells whether this node may run a group now, and if not, why.
func (c *Client) Held(now time.Duration, i int) (bool, string) {
	c.now = now
	g := &c.groups[i]
	switch {
	case g.flags&witnesswire.Force != 0, planted.On(planted.TakeoverWithoutLease):
		return true, ""
	case g.flags&witnesswire.Want == 0:
		return false, "it was not asked for yet"
	case c.Until(i) <= now:
		return false, c.missing(i)
	case !c.hasOwn(i):
		return false, fmt.Sprintf("%s was promised, or may have been before this node started, that it is not started here", c.cfg.Peer)
	}
	return true, ""
}

// Safe tells whether users may be served: the lease lasts for a good while. Half
// of it is enough for three questions that are lost.
func (c *Client) Safe(now time.Duration, i int) bool {
	return c.groups[i].flags&witnesswire.Force != 0 || now < c.FreezeAt(i)
}

// FreezeAt is when users have to wait unless a vote is won before.
func (c *Client) FreezeAt(i int) time.Duration {
	if planted.On(planted.LeaseNeverEnds) && c.Until(i) > 0 {
		return Never
	}
	return c.Until(i) - c.cfg.Lease/2
}

// StopAt is when what runs has to be stopped, so that it is stopped when the
// lease ends; Never with a policy that only freezes. A node that finds something
// running when it starts has half a lease to get it.
func (c *Client) StopAt(i int) time.Duration {
	g := &c.groups[i]
	switch {
	case c.cfg.Policy == Freeze, g.flags&witnesswire.Force != 0, planted.On(planted.FreezeWithoutStop),
		planted.On(planted.LeaseNeverEnds):
		return Never
	case g.flags&witnesswire.Want == 0:
		return Never // what was just found to run is about to be wanted
	case c.Until(i) == 0:
		return g.since + c.cfg.Lease/2
	default:
		return c.Until(i) - c.cfg.Lease/3
	}
}

// EndsAt is when the other node may have the lease: what StopAt is about must be
// stopped by then.
func (c *Client) EndsAt(i int) time.Duration {
	if c.Until(i) == 0 {
		return c.groups[i].since + c.cfg.Lease
	}
	return c.Until(i)
}

// Why says why the lease is not there, or not renewed.
func (c *Client) Why(i int) string { return c.missing(i) }

// missing says why the lease is not there.
func (c *Client) missing(i int) string {
	g := &c.groups[i]
	peer := fmt.Sprintf("%s does not answer", c.cfg.Peer)
	if c.recently(thePeer) {
		peer = fmt.Sprintf("%s says: %v", c.cfg.Peer, g.verdict[thePeer])
	}
	switch {
	case c.cfg.Policy == Freeze:
		return fmt.Sprintf("policy freeze: %s, and nobody takes over by itself; order a takeover by force if it surely runs nothing",
			peer)
	case c.recently(theWitness):
		return fmt.Sprintf("the witness says: %v; %s", g.verdict[theWitness], peer)
	case c.unreached != "":
		return fmt.Sprintf("the witness can't be reached (%s), and %s", c.unreached, peer)
	default:
		return "the witness does not answer, and " + peer
	}
}

// recently tells whether somebody has answered one of the last questions.
func (c *Client) recently(from int) bool {
	return c.heardAt[from] > 0 && c.now-c.heardAt[from] < c.cfg.Lease/3
}

// Vouched tells whether the witness has given its vote for a group, and said that
// no newer data are anywhere than this node's; and if not, why.
func (c *Client) Vouched(now time.Duration, i int) (bool, string) {
	c.now = now
	g := &c.groups[i]
	switch {
	case c.cfg.Policy != ByWitness:
		return false, "there is no witness"
	case g.flags&witnesswire.Want == 0:
		return false, "the witness was not asked yet"
	case g.until[theWitness] <= now:
		return false, c.missing(i)
	case !g.vouched:
		return false, "the witness does not know whether newer data are elsewhere"
	}
	return true, ""
}

// AloneSince tells whether the witness (with the policy freeze: the peer) knows that
// this node's data goes on alone, and has given it the lease all the same, asked
// after then.
func (c *Client) AloneSince(now time.Duration, i int, then time.Duration) bool {
	g := &c.groups[i]
	return g.flags&witnesswire.Force != 0 || g.alone > then && c.Until(i) > now
}
