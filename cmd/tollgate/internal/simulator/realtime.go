package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// What sound is in the simulator: a reply that is spoken has so many tokens of sound for each word, and what is heard as many as its bytes say.
const (
	realtimeVoiceBytes = 48_000 // after so much sound it takes its turn by itself, where the session's settings want that
	heardBytesPerToken = 4800
	written            = "What was said." // as sound is written down
)

// realtime is one connection over which both sides speak, as OpenAI's Realtime has it
// (https://platform.openai.com/docs/api-reference/realtime-client-events).
type realtime struct {
	api   openaiAPI
	r     *http.Request
	conn  *websocket.Conn
	model string
	voice bool // the provider takes its turn by itself
	sound bool // replies are spoken
	texts []string
	heard int    // bytes of sound in the buffer
	ear   string // the model that writes down what is heard; empty: none does
	known int    // tokens of sound in the conversation
}

type realtimeEvent struct {
	Type    string `json:"type"`
	EventID string `json:"event_id"`
	Session struct {
		OutputModalities []string `json:"output_modalities"`
		Audio            struct {
			Input struct {
				TurnDetection *struct {
					Type string `json:"type"`
				} `json:"turn_detection"`
				Transcription *struct {
					Model string `json:"model"`
				} `json:"transcription"`
			} `json:"input"`
		} `json:"audio"`
		Model string `json:"model"`
	} `json:"session"`
	Audio  []byte `json:"audio"`
	ItemID string `json:"item_id"`
	Item   struct {
		Content []realtimePart `json:"content"`
	} `json:"item"`
	Response struct {
		MaxOutputTokens any `json:"max_output_tokens"`
	} `json:"response"`
}

type realtimePart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func (api openaiAPI) realtime(w http.ResponseWriter, r *http.Request) {
	model := r.URL.Query().Get("model")
	if model == "" {
		model = r.URL.Query().Get("deployment")
	}
	if !api.admit(w, r) || !api.known(w, model) {
		return
	}
	if fault := api.sim.faults.take(model); fault.Kind == FaultStatus {
		api.fail(w, fault.Status)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(bodyBytesMax)
	c := &realtime{api: api, r: r, conn: conn, model: model}
	c.send(map[string]any{"type": "session.created", "session": map[string]any{"type": "realtime", "model": model}})
	for {
		_, raw, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var event realtimeEvent
		if err := json.Unmarshal(raw, &event); err != nil {
			c.refuse("", "The message is no JSON: "+err.Error())
			continue
		}
		c.take(&event)
	}
}

func (c *realtime) send(event map[string]any) {
	event["event_id"] = c.api.sim.id("event_")
	raw, err := json.Marshal(event)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), time.Minute)
	defer cancel()
	_ = c.conn.Write(ctx, websocket.MessageText, raw) // the client may be gone
}

func (c *realtime) refuse(event, message string) {
	c.send(map[string]any{"type": "error", "error": map[string]any{"type": "invalid_request_error", "code": "invalid_value", "message": message, "param": nil, "event_id": event}})
}

func (c *realtime) take(event *realtimeEvent) {
	switch event.Type {
	case "session.update":
		if event.Session.Model != "" && event.Session.Model != c.model {
			c.refuse(event.EventID, "Cannot update a session's model.")
			return
		}
		if detection := event.Session.Audio.Input.TurnDetection; detection != nil {
			c.voice = detection.Type != ""
		}
		if transcription := event.Session.Audio.Input.Transcription; transcription != nil {
			c.ear = transcription.Model
		}
		for _, one := range event.Session.OutputModalities {
			c.sound = one == "audio"
		}
		c.send(map[string]any{"type": "session.updated", "session": map[string]any{"type": "realtime", "model": c.model}})
	case "conversation.item.create":
		for _, part := range event.Item.Content {
			c.texts = append(c.texts, part.Text)
		}
		c.send(map[string]any{"type": "conversation.item.added", "previous_item_id": nil, "item": map[string]any{
			"id": c.api.sim.id("item_"), "type": "message", "role": "user", "status": "completed", "content": event.Item.Content,
		}})
	case "conversation.item.retrieve":
		c.send(map[string]any{"type": "conversation.item.retrieved", "item": map[string]any{
			"id": event.ItemID, "type": "message", "role": "user", "status": "completed", "content": []any{map[string]any{"type": "input_audio", "transcript": written}},
		}})
	case "input_audio_buffer.append":
		if c.heard += len(event.Audio); c.voice && c.heard >= realtimeVoiceBytes {
			c.commit()
			c.reply(0)
		}
	case "input_audio_buffer.commit":
		c.commit()
	case "response.create":
		limit, _ := event.Response.MaxOutputTokens.(float64)
		c.reply(int(limit))
	case "response.cancel": // replies are whole before the next message is read
	default:
		c.refuse(event.EventID, "Unknown event type: "+event.Type)
	}
}

func (c *realtime) commit() {
	heard, item := c.heard/heardBytesPerToken, c.api.sim.id("item_")
	c.known, c.heard = c.known+heard, 0
	c.send(map[string]any{"type": "input_audio_buffer.committed", "item_id": item})
	if c.ear == "" {
		return
	}
	entry := Entry{
		ID: c.api.sim.id("bill_"), ClientRequestID: c.r.Header.Get("X-Client-Request-Id"), Provider: c.api.provider, Model: c.ear, Streamed: true,
		InputTokens: heard, AudioInputTokens: heard, OutputTokens: tokens(len(written)), Completed: true, Status: http.StatusSwitchingProtocols, At: c.api.sim.now().UTC(),
	}
	c.api.sim.ledger.settle(c.api.sim.ledger.open(entry), entry)
	c.send(map[string]any{
		"type": "conversation.item.input_audio_transcription.completed", "item_id": item, "content_index": 0, "transcript": written, "usage": map[string]any{
			"type": "tokens", "total_tokens": heard + entry.OutputTokens, "input_tokens": heard, "output_tokens": entry.OutputTokens,
			"input_token_details": map[string]int{"text_tokens": 0, "audio_tokens": heard},
		},
	})
}

// reply says something, and bills it.
func (c *realtime) reply(limit int) {
	p := prompt{model: c.model, texts: c.texts, outputMax: limit}
	if len(p.texts) > 0 {
		p.last = p.texts[len(p.texts)-1]
	}
	said := p.answer()
	fault := c.api.sim.faults.take(c.model)
	entry := Entry{
		ID: c.api.sim.id("bill_"), ClientRequestID: c.r.Header.Get("X-Client-Request-Id"), Provider: c.api.provider, Model: c.model, Streamed: true,
		InputTokens: said.usage.input + c.known, AudioInputTokens: c.known, CachedTokens: said.usage.cached, Status: http.StatusSwitchingProtocols, At: c.api.sim.now().UTC(),
	}
	place := c.api.sim.ledger.open(entry)
	id, item := c.api.sim.id("resp_"), c.api.sim.id("item_")
	c.send(map[string]any{"type": "response.created", "response": map[string]any{"id": id, "object": "realtime.response", "status": "in_progress", "usage": nil}})
	for n, piece := range said.pieces {
		if fault.Kind == FaultCut && n == fault.AfterEvents {
			c.api.sim.ledger.settle(place, entry)
			_ = c.conn.CloseNow()
			return
		}
		entry.OutputTokens++
		event := map[string]any{"type": "response.output_text.delta", "response_id": id, "item_id": item, "output_index": 0, "content_index": 0, "delta": piece}
		if c.sound {
			entry.AudioOutputTokens++
			event["type"], event["delta"] = "response.output_audio.delta", []byte(strings.Repeat("s", heardBytesPerToken/2))
		}
		c.send(event)
		if !pause(c.r.Context(), c.api.sim.latency.Between) {
			break
		}
	}
	c.texts = append(c.texts, said.text())
	entry.Completed = true
	c.api.sim.ledger.settle(place, entry)
	response := map[string]any{"id": id, "object": "realtime.response", "status": "completed", "output": []any{}}
	if fault.Kind != FaultNoUsage {
		input := entry.InputTokens + entry.CachedTokens
		response["usage"] = map[string]any{
			"total_tokens": input + entry.OutputTokens, "input_tokens": input, "output_tokens": entry.OutputTokens,
			"input_token_details":  map[string]any{"text_tokens": input - c.known, "audio_tokens": c.known, "cached_tokens": entry.CachedTokens, "cached_tokens_details": map[string]int{"text_tokens": entry.CachedTokens, "audio_tokens": 0}},
			"output_token_details": map[string]int{"text_tokens": entry.OutputTokens - entry.AudioOutputTokens, "audio_tokens": entry.AudioOutputTokens},
		}
	}
	c.send(map[string]any{"type": "response.done", "response": response})
}
