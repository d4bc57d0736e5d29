package channel

import (
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// Event is what a message tells.
type Event string

// The events.
const (
	Fired    Event = "fired"
	Resolved Event = "resolved"
	Tested   Event = "test"
)

// Message is what people shall be told. It holds no secret: channels lead out of the house.
type Message struct {
	Alert    ident.Alert `json:"alert_id"` // zero: a test
	Event    Event       `json:"event"`
	Topic    Topic       `json:"topic"`
	Rule     string      `json:"rule"`
	Severity Severity    `json:"severity"`
	Matter   string      `json:"matter"` // equal for the messages of one matter, so that a receiver can put them together
	Title    string      `json:"title"`
	Text     string      `json:"text"`
	Path     string      `json:"path"` // below the console's address, where more is seen
	At       time.Time   `json:"at"`
	Org      string      `json:"organization"` // its name; Post fills it in
}

// heading is the title as a subject line.
func (m Message) heading() string {
	if m.Event == Resolved {
		return "Resolved: " + m.Title
	}
	return m.Title
}

// State is how far a delivery came.
type State string

// The states.
const (
	Queued    State = "queued"
	Failed    State = "failed" // and will be tried again
	Delivered State = "delivered"
	GivenUp   State = "given_up"
)

// Delivery is one message to one channel.
type Delivery struct {
	ID          ident.Delivery `json:"id"` // in every attempt the same: a receiver drops repeats by it
	ChannelID   ident.Channel  `json:"channel_id"`
	ChannelName string         `json:"channel_name"`
	Kind        Kind           `json:"kind"`
	AlertID     ident.Alert    `json:"alert_id"`
	Event       Event          `json:"event"`
	Title       string         `json:"title"`
	State       State          `json:"state"`
	Attempts    int            `json:"attempts"`
	Status      int            `json:"status"` // of the last answer, HTTP's or SMTP's; 0: there was none
	Answer      string         `json:"answer"` // the last answer in words
	CreatedAt   time.Time      `json:"created_at"`
	NextAt      *time.Time     `json:"next_at"`
	FinishedAt  *time.Time     `json:"finished_at"`
}

// answer is what came of one attempt.
type answer struct {
	status int
	text   string
	ok     bool
	final  bool          // it would not help to try again
	after  time.Duration // the receiver asks for so long a pause
}

const attemptsMax = 10

// pauses are the waits after each failed attempt: ten attempts within some 22 hours.
var pauses = [attemptsMax - 1]time.Duration{
	10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

const pauseMax = 24 * time.Hour

// judge says what becomes of a delivery after its attempt of that number, counted from 1.
func judge(attempt int, got answer) (state State, wait time.Duration) {
	switch {
	case got.ok:
		return Delivered, 0
	case got.final || attempt >= attemptsMax:
		return GivenUp, 0
	default:
		return Failed, min(max(pauses[max(attempt, 1)-1], got.after), pauseMax)
	}
}
