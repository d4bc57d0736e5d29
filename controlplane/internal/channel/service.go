package channel

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/work"
)

// jobs takes work that is done after the commit.
type jobs interface {
	Insert(ctx context.Context, tx pgx.Tx, args work.Args) error
}

// Service is what people do with channels, and what brings messages to them.
type Service struct {
	db     *tenant.DB
	box    *seal.Box
	jobs   jobs
	sender *Sender
	now    func() time.Time
}

// New returns a Service. Whoever carries the jobs hands them to Deliver.
func New(db *tenant.DB, box *seal.Box, jobs jobs, sender *Sender, now func() time.Time) *Service {
	return &Service{db: db, box: box, jobs: jobs, sender: sender, now: now}
}

func (s *Service) rules() rules { return rules{mail: s.sender.mail.usable(), plain: s.sender.plain} }

// Mails says whether this installation can send e-mail.
func (s *Service) Mails() bool { return s.sender.mail.usable() }

// Create adds a channel. A webhook gets a signing secret, which is returned here and never again. A name that is taken is a Conflict that
// names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Channel, signing seal.Secret, err error) {
	if err := actor.Require(authz.ChannelWrite); err != nil {
		return Channel{}, seal.Secret{}, err
	}
	in, keep, err := s.rules().clean(in)
	if err != nil {
		return Channel{}, seal.Secret{}, err
	}
	if in.Kind == Webhook {
		keep.Signing = newSigningSecret()
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if created, err = insert(ctx, tx, s.box, actor.Org, in, keep); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "channel.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, seal.NewSecret(keep.Signing), err
}

// Update changes a channel; its kind stays, and so does what the change leaves out.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Channel, change Change) (updated Channel, err error) {
	if err := actor.Require(authz.ChannelWrite); err != nil {
		return Channel{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, keep, err := get(ctx, tx, s.box, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if updated, keep, err = s.rules().over(change, before, keep); err != nil {
			return audit.Entry{}, err
		}
		sealAgain := before.Kind != Email && (!change.URL.IsZero() || !change.RoutingKey.IsZero())
		if err := update(ctx, tx, s.box, actor.Org, updated, keep, sealAgain); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "channel.update", SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// Archive takes a channel away. What is still on its way to it is given up.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.Channel) error {
	if err := actor.Require(authz.ChannelWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, _, err := get(ctx, tx, nil, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := archive(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "channel.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// Get returns one channel, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Channel) (found Channel, err error) {
	if err := actor.Require(authz.ChannelRead); err != nil {
		return Channel{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, _, err = get(ctx, tx, nil, actor.Org, id)
		return err
	})
	return found, err
}

// List returns the channels that are not archived, by name.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Channel, err error) {
	if err := actor.Require(authz.ChannelRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// Deliveries returns the last 50 deliveries to a channel, newest first.
func (s *Service) Deliveries(ctx context.Context, actor authz.Actor, id ident.Channel) (all []Delivery, err error) {
	if err := actor.Require(authz.ChannelRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if _, _, err := get(ctx, tx, nil, actor.Org, id); err != nil {
			return err
		}
		all, err = deliveriesOfChannel(ctx, tx, actor.Org, id)
		return err
	})
	return all, err
}

// Test sends a message to a channel on the road of every other, and waits a moment for what comes of it.
func (s *Service) Test(ctx context.Context, actor authz.Actor, id ident.Channel) (sent Delivery, err error) {
	if err := actor.Require(authz.ChannelWrite); err != nil {
		return Delivery{}, err
	}
	var delivery ident.Delivery
	err = s.db.Write(ctx, actor.Org, func(tx pgx.Tx) error {
		to, _, err := get(ctx, tx, nil, actor.Org, id)
		if err != nil {
			return err
		}
		if to.ArchivedAt != nil {
			return fault.New(fault.Conflict, "the channel is archived")
		}
		delivery, err = s.queue(ctx, tx, actor.Org, to, Message{
			Event: Tested, Topic: Configuration, Rule: "test", Severity: Info, Title: "Test of the channel “" + to.Name + "”",
			Text: "Somebody asked for this message to see whether alerts arrive here. There is nothing to do.", Path: "/channels/" + id.String(), At: s.now(),
		})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, actor, audit.Entry{Action: "channel.test", SubjectID: id.UUID, SubjectName: to.Name}, audit.NoGeneration)
	})
	if err != nil {
		return Delivery{}, err
	}
	return s.await(ctx, actor, delivery)
}

// Resend puts a delivery that is at its end on its way again, as the same message.
func (s *Service) Resend(ctx context.Context, actor authz.Actor, id ident.Delivery) (sent Delivery, err error) {
	if err := actor.Require(authz.ChannelWrite); err != nil {
		return Delivery{}, err
	}
	err = s.db.Write(ctx, actor.Org, func(tx pgx.Tx) error {
		delivery, err := getDelivery(ctx, tx, actor.Org, id)
		if err != nil {
			return err
		}
		if err := requeue(ctx, tx, actor.Org, id, s.now()); err != nil {
			return err
		}
		if err := s.jobs.Insert(ctx, tx, Job{Org: actor.Org, Delivery: id}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, actor, audit.Entry{Action: "channel.resend", SubjectID: delivery.ChannelID.UUID, SubjectName: delivery.ChannelName, After: delivery.Title}, audit.NoGeneration)
	})
	if err != nil {
		return Delivery{}, err
	}
	return s.await(ctx, actor, id)
}

const (
	awaitMax  = 6 * time.Second
	awaitLook = 150 * time.Millisecond
)

// await waits until the delivery has had an attempt, or not longer than a person does.
func (s *Service) await(ctx context.Context, actor authz.Actor, id ident.Delivery) (found Delivery, err error) {
	over := time.NewTimer(awaitMax)
	defer over.Stop()
	look := time.NewTicker(awaitLook)
	defer look.Stop()
	for {
		err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
			found, err = getDelivery(ctx, tx, actor.Org, id)
			return err
		})
		if err != nil || found.State != Queued {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, nil
		case <-over.C:
			return found, nil
		case <-look.C:
		}
	}
}

// Job says which delivery wants an attempt.
type Job struct {
	Org      ident.Org      `json:"org_id"`
	Delivery ident.Delivery `json:"delivery_id"`
}

// Kind is the job's name.
func (Job) Kind() string { return "channel_deliver" }

// Post queues a message for every channel that takes its topic and severity, in the transaction of its cause, which has entered org.
// Quiet is for the end of what nobody waits for: only receivers that keep a state are told.
func (s *Service) Post(ctx context.Context, tx pgx.Tx, org ident.Org, m Message, quiet bool) error {
	channels, err := list(ctx, tx, org)
	if err != nil {
		return err
	}
	for _, to := range channels {
		if !to.Takes(m.Topic, m.Severity) || quiet && to.Kind != Webhook && to.Kind != PagerDuty {
			continue
		}
		if _, err := s.queue(ctx, tx, org, to, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) queue(ctx context.Context, tx pgx.Tx, org ident.Org, to Channel, m Message) (id ident.Delivery, err error) {
	if m.Org, err = orgName(ctx, tx, org); err != nil {
		return id, err
	}
	if id, err = insertDelivery(ctx, tx, org, to.ID, m, s.now()); err != nil {
		return id, err
	}
	return id, s.jobs.Insert(ctx, tx, Job{Org: org, Delivery: id})
}

// Deliver makes one attempt at a delivery, and says when the next one is due. A process that dies in it has perhaps sent: the message is
// then sent again, under the same id.
func (s *Service) Deliver(ctx context.Context, job Job) error {
	var waiting pending
	var to Channel
	var keep secrets
	early := time.Duration(0)
	err := s.db.Write(ctx, job.Org, func(tx pgx.Tx) (err error) {
		if waiting, err = lockDelivery(ctx, tx, job.Org, job.Delivery); err != nil {
			return err
		}
		if early = waiting.nextAt.Sub(s.now()); waiting.nextAt.IsZero() || early > 0 {
			return nil
		}
		if to, keep, err = get(ctx, tx, s.box, job.Org, waiting.channel); err != nil {
			return err
		}
		return beginAttempt(ctx, tx, job.Org, job.Delivery)
	})
	switch {
	case err != nil:
		return err
	case waiting.nextAt.IsZero():
		return nil // another job was first
	case early > 0:
		return work.Later(early)
	}
	got := answer{final: true, text: "the channel is archived"}
	if to.ArchivedAt == nil {
		if got, err = s.sender.send(ctx, to, keep, job.Delivery, waiting.message); err != nil {
			return err
		}
	}
	return s.end(ctx, job, waiting.attempts+1, got)
}

// end notes what came of an attempt, also when the process is being stopped.
func (s *Service) end(ctx context.Context, job Job, attempt int, got answer) error {
	state, wait := judge(attempt, got)
	now := s.now()
	next, finished := now.Add(wait), now
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteMax)
	defer cancel()
	err := s.db.Write(noting, job.Org, func(tx pgx.Tx) error {
		if state == Failed {
			return endAttempt(noting, tx, job.Org, job.Delivery, state, got, &next, nil)
		}
		return endAttempt(noting, tx, job.Org, job.Delivery, state, got, nil, &finished)
	})
	if err != nil {
		return err
	}
	if state == Failed {
		return work.Later(wait)
	}
	return nil
}

const noteMax = 5 * time.Second
