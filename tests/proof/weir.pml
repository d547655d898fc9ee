/* Every event once: Weir's reasoning from the MQTT broker to Kafka, as a model for spin.
 *
 * N events come from a broker and end in records of Kafka. One process does one small step at a time, in every order;
 * up to FAULTS of the steps are faults, of any kind. A run ends when nothing is left to do.
 *   - No event, and no identity (window, key), is ever committed to Kafka twice.
 *   - At the end every event is in Kafka, but for those that a power cut may cost (`forgiven`).
 * Every step but a fault brings something forward, so runs end: `run` has spin show that there is no cycle.
 *
 * FRONT: broker to outbox, the uplink is perfect. BACK: outbox to Kafka, rows come out of nowhere. Neither: all of it.
 * DISK: the journal is on disk. CARDS (with BACK): cards are replaced and put back. N: 2, 3 or 4 events.
 * NO_x takes a guard away. What is abstracted, and which code a step and a guard stand for: README.md.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#if !defined(FRONT) && !defined(BACK)
#define WHOLE
#endif
#ifndef BACK
#define HAS_FRONT
#endif
#ifndef FRONT
#define HAS_BACK
#endif

/* ---- events, windows, keys: every event's window and key are fixed ------------------------------------------- */

#ifndef N
#define N 4
#endif
#if N == 4                        /* 0: (w0,A)  1: (w0,B)  2: (w0,A)  3: (w1,A) */
#define WINDOW(e) ((e) / 3)
#define W0A 5
#define W0B 2
#define W1A 8
#elif N == 3                      /* 0: (w0,A)  1: (w0,B)  2: (w1,A) */
#define WINDOW(e) ((e) / 2)
#define W0A 1
#define W0B 2
#define W1A 4
#else                             /* 0: (w0,A)  1: (w1,A) */
#define WINDOW(e) (e)
#define W0A 1
#define W0B 0
#define W1A 2
#endif
#define WINDOWS 2
#define ALL ((1 << N) - 1)
#define BIT(e) (1 << (e))
#define IDENTITIES(m) ((((m) & W0A) -> 1 : 0) | (((m) & W0B) -> 2 : 0) | (((m) & W1A) -> 4 : 0))
#define IN_FLIGHT 2               /* the broker's max_inflight */
#ifdef NO_HORIZON_LENGTH
#define HORIZON 1
#else
#define HORIZON IN_FLIGHT
#endif
#define ENTRIES 8
#define STAGED 5
#define ROWS 5
#define NUMBERED 2                /* rows that are frozen at a time: numbered_bytes_max */
#define QUEUE 2                   /* requests that a bridge holds */
#define TICK N

#ifdef BREADTH_FIRST              /* spin cannot have both */
byte i, k, e, t, q;
#else
hidden byte i, k, e, t, q;        /* scratch, no part of the state */
#endif
#ifdef TELL                       /* run --trace */
#define SAY(text) printf(text);
#define SAY_OF(text, number) printf(text, number);
#else
#define SAY(text)
#define SAY_OF(text, number)
#endif

byte left = FAULTS;
byte forgiven;                    /* events that may be missing at the end */

/* ---- broker: a persistent session, QoS 1 ---------------------------------------------------------------------- */
#ifdef HAS_FRONT
mtype = { queued, sent, kept, acknowledged };
mtype told[N];                    /* of an event: where its delivery stands on this connection */
byte dup;                         /* sent on an earlier connection */

/* ---- agent: journal, engine, staging ring. What SIGKILL leaves: journal, horizon, checkpoint ------------------ */
byte journal[ENTRIES];
byte newest, cursor;              /* entries; of them, how many the engine has taken */
byte horizon;                     /* events that a repetition is known by: the last HORIZON kept */
byte saved_at;                    /* entries that the crash checkpoint covers */
#ifdef NO_JOURNAL_BEFORE_ACK
byte in_callback;                 /* the event that is acknowledged and not yet kept, and one */
#else
#define in_callback false
#endif
#ifdef DISK
byte synced, synced_horizon;      /* entries that a power cut leaves; NOTHING: it does not reach the flash checkpoint */
#define NOTHING 99
#endif

byte open, done;                  /* events in open windows; events ever taken */
byte watermark, frontier;         /* windows below: closed; never to be emitted */
byte sequence;                    /* results ever emitted */
byte ring[STAGED], staged;
byte sealed;                      /* results up to here are whole groups: all that one entry made the engine emit */

byte c_open, c_done, c_watermark, c_frontier, c_sequence, c_ring[STAGED], c_staged;  /* the crash checkpoint */
byte f_open, f_done, f_watermark, f_sequence, f_horizon;                            /* the flash checkpoint */

/* ---- outbox: flash, so each step is a transaction ------------------------------------------------------------- */
byte db_sequence, db_frontier;    /* greatest taken; windows below are emitted */
byte db_pending;                  /* the frontier that waits for the rest of a group */
bit new_epoch;                    /* nothing of the present epoch was committed yet */
#else
byte made;                        /* BACK: rows made so far */
#endif
byte row[ROWS], ship[ROWS];       /* events of a row; its ship number, 0: none */
byte incomplete;                  /* rows, as bits, of a group whose rest is not committed yet */
byte last_ship;
#ifdef NO_SHIP_KEPT
byte settled;                     /* greatest number acknowledged and deleted */
#endif
byte incarnation;                 /* they rise: a replaced one is less than the mark's */
#ifdef CARDS
byte spare_row[ROWS], spare_ship[ROWS], spare_last_ship, spare_incarnation;
byte spare;                       /* 0 none, 1 a copy of this card, 2 the card that was here before */
byte incarnations;                /* the greatest given */
bit refused;                      /* this card is a replaced one */
byte excused;                     /* events of a copy that was put back: whether they come again is not asked */
#else
#define excused 0
#define refused 0
#endif

/* ---- Kafka, as a read_committed reader sees it ------------------------------------------------------------------ */
byte k_events, k_identities;

/* ---- uplink and bridges ----------------------------------------------------------------------------------------- */
#ifdef HAS_BACK
byte k_mark, k_incarnation;       /* the agent's mark */
byte owner = 9;                   /* the bridge that called init_transactions last */

byte phase;                       /* of the uplink: 0 no session, 1 hello said, 2 streaming */
byte at, session;                 /* with which bridge, under which number */
byte sent_ship, acked_ship;
bit greeted;                      /* a bridge has told this process how far it knows the incarnation */

byte stage[2];                    /* of a bridge: 0 none, 1 half open, 2 marks and fence taken, 3 serving */
byte mark[2], mark_incarnation[2];
byte live[2];                     /* session greeted since the marks were read */
byte q_session[4], q_ship[4], q_what[4], queued_n[2];  /* requests: ship 0 is a hello, what its incarnation or events */
byte tx[2];                       /* transaction: 0 none, 1 open, 2 committed, not heard of, 3 records without mark */
byte tx_session[2], tx_hello[2], tx_mark[2], tx_what[2];
#endif

/* ==== broker and receive thread ================================================================================== */

#define IN_THE_AIR(m) ((told[m] == sent) || (told[m] == kept))

inline forget_oldest_of_horizon() {
    t = 0; i = 0;
    do
    :: i < N -> t = t + ((horizon & BIT(i)) -> 1 : 0); i++
    :: else -> break
    od;
    i = 0;
    do
    :: t > HORIZON && (horizon & BIT(i)) -> horizon = horizon & ~BIT(i); t--; i++
    :: t > HORIZON && !(horizon & BIT(i)) -> i++
    :: t <= HORIZON -> break
    od;
    skip
}

/* Journal::append, by DuplicateHorizon's rule */
inline append_event(event) {
    if
#ifndef NO_DUP_CHECK
    :: (dup & BIT(event)) && (horizon & BIT(event)) -> skip
#endif
    :: else ->
        assert(newest < ENTRIES);
        journal[newest] = event; newest++;
        horizon = horizon | BIT(event);
        forget_oldest_of_horizon()
    fi
}

inline connection_lost() {
    i = 0;
    do
    :: i < N ->
        if
        :: IN_THE_AIR(i) -> told[i] = queued; dup = dup | BIT(i)
        :: else
        fi;
        i++
    :: else -> break
    od;
    skip
}

/* ==== engine ===================================================================================================== */

inline drop_entries(count) {
    q = count;
    i = 0;
    do
    :: i < ENTRIES -> journal[i] = (i + q < newest -> journal[(i + q < ENTRIES -> i + q : 0)] : 0); i++
    :: else -> break
    od;
    newest = newest - q
}

inline put(events) {
    assert(staged < STAGED);
    ring[staged] = events; staged++; sequence++
}

/* Rows of window w, in the order of keys; nothing at or below the frontier. */
inline close(w) {
    t = open & ((w) == 0 -> W0A : W1A);
    q = open & ((w) == 0 -> W0B : 0);
    open = open & ~(t | q);
    if
    :: w >= frontier && t -> put(t)
    :: else
    fi;
    if
    :: w >= frontier && q -> put(q)
    :: else
    fi
}

inline close_below(w) {
    k = watermark;
    do
    :: k < w -> close(k); k++
    :: else -> break
    od;
    watermark = (w > watermark -> w : watermark)
}

inline in_outbox() {              /* events of rows, into t */
    t = 0; i = 0;
    do
    :: i < ROWS -> t = t | row[i]; i++
    :: else -> break
    od;
    skip
}

/* Pipeline::take_entry and Engine::push */
inline engine_takes() {
    sealed = sequence;
    e = journal[cursor]; cursor++;
    if
    :: e == TICK -> close_below(WINDOWS)
    :: e != TICK && WINDOW(e) < frontier ->     /* late_after_power_cut */
        in_outbox();
        if
        :: ((t | k_events) & BIT(e)) == 0 -> forgiven = forgiven | BIT(e)
        :: else
        fi;
        done = done | BIT(e)
    :: e != TICK && WINDOW(e) >= frontier && WINDOW(e) < watermark -> done = done | BIT(e)     /* late */
    :: e != TICK && WINDOW(e) >= frontier && WINDOW(e) >= watermark ->
        close_below(WINDOW(e));
        assert((done & BIT(e)) == 0);           /* counted twice */
        open = open | BIT(e); done = done | BIT(e)
    fi;
#ifdef NO_JOURNAL_RETAINED
    drop_entries(cursor); cursor = 0;           /* the journal lets go of what was read, not of what is covered */
#endif
}

inline save_ring() {
    i = 0;
    do
    :: i < STAGED -> c_ring[i] = ring[i]; i++
    :: else -> break
    od;
    c_staged = staged
}

inline load_ring() {
    i = 0;
    do
    :: i < STAGED -> ring[i] = c_ring[i]; i++
    :: else -> break
    od;
    staged = c_staged
}

/* Pipeline::checkpoint: the state, and the rows that are not committed yet */
inline save_crash_checkpoint() {
    sealed = sequence;
    c_open = open; c_done = done; c_watermark = watermark; c_frontier = frontier; c_sequence = sequence;
#ifndef NO_STAGED_IN_CHECKPOINT
    save_ring();
#endif
#ifdef DISK
    saved_at = cursor                           /* released by the flash checkpoint only */
#else
    drop_entries(cursor); cursor = 0
#endif
}

/* ==== outbox ===================================================================================================== */

inline insert_row(events) {       /* its place into k */
    k = 0;
    do
    :: k < ROWS && row[k] -> k++
    :: else -> break
    od;
    assert(k < ROWS);
    row[k] = events
}

#ifdef NO_FRONTIER
#define FRONTIER_MOVES(to) db_frontier
#else
#define FRONTIER_MOVES(to) (db_frontier < (to) -> (to) : db_frontier)
#endif

/* OutboxStore::close_group */
inline close_group() {
    incomplete = 0;
    db_frontier = FRONTIER_MOVES(db_pending);
    db_pending = 0
}

/* OutboxStore::fill_transaction for the first staged row; its sequence is sequence - staged + 1 */
inline commit_first() {
    if
    :: !new_epoch && (incomplete || db_pending) && sealed >= db_sequence -> close_group()
    :: else
    fi;
    t = ring[0];
    if
#ifndef NO_STAGED_DEDUPE
    :: !new_epoch && sequence - staged + 1 <= db_sequence -> skip    /* known */
#endif
    :: else ->
        insert_row(t);
        db_sequence = sequence - staged + 1; new_epoch = 0;
        q = ((t & W1A) -> 2 : 1);
        if
        :: db_sequence <= sealed -> db_frontier = FRONTIER_MOVES(q)
        :: else ->
#ifndef NO_GROUP_NUMBERED
            incomplete = incomplete | BIT(k);
#endif
#ifdef NO_GROUP_FRONTIER
            db_frontier = FRONTIER_MOVES(q)
#else
            db_pending = (db_pending < q -> q : db_pending)
#endif
        fi
    fi;
    i = 0;
    do
    :: i + 1 < STAGED -> ring[i] = ring[i + 1]; i++
    :: else -> break
    od;
    ring[STAGED - 1] = 0;
    staged--
}

/* All that is sealed is in the ring, and one commit takes it. Of what is not, it may find any part there. */
inline commit_some() {
#ifndef NO_SEALED_AT_ONCE
    do
    :: staged > 1 && sequence - staged + 2 <= sealed -> commit_first()
    :: else -> break
    od;
#endif
    commit_first()
}

/* Of OutboxStore::begin_epoch: the beginning of a group whose rest will not come as it was */
inline forget_group() {
    i = 0;
    do
    :: i < ROWS && (incomplete & BIT(i)) -> row[i] = 0; i++
    :: i < ROWS && !(incomplete & BIT(i)) -> i++
    :: else -> break
    od;
    incomplete = 0; db_pending = 0
}

/* The flash checkpoint, in one transaction with everything staged before it */
inline flush() {
    sealed = sequence;
#ifndef NO_ROWS_WITH_FLASH
    do
    :: staged -> commit_first()
    :: else -> break
    od;
    if
    :: !new_epoch && (incomplete || db_pending) && sealed >= db_sequence -> close_group()
    :: else
    fi;
#endif
    save_crash_checkpoint();
    f_open = open; f_done = done; f_watermark = watermark; f_sequence = sequence;
#ifndef NO_HORIZON_ON_FLASH
    f_horizon = horizon & done;
#endif
#ifdef DISK
    synced = (synced != NOTHING && synced >= cursor -> synced - cursor : NOTHING);
    drop_entries(cursor); cursor = 0; saved_at = 0
#endif
}

/* ==== faults of the agent ======================================================================================== */

inline process_ends() {
    skip;
#ifdef NO_JOURNAL_BEFORE_ACK
    in_callback = 0;
#endif
#ifdef HAS_BACK
    phase = 0; at = 0; session = 0; sent_ship = 0; acked_ship = 0; greeted = 0;
#endif
#ifdef NO_SHIP_KEPT                             /* numbers in memory only: given again after a start */
    i = 0;
    do
    :: i < ROWS -> ship[i] = 0; i++
    :: else -> break
    od;
    last_ship = settled
#endif
}

#ifdef HAS_FRONT
/* SIGKILL and a start: Recovery with a crash checkpoint */
inline agent_killed() {
    connection_lost();
    open = c_open; done = c_done; watermark = c_watermark; frontier = c_frontier; sequence = c_sequence;
    load_ring();
    cursor = saved_at; sealed = sequence;
    process_ends()
}

inline journal_after_power_cut() {
#ifdef DISK
    if
    :: synced == NOTHING -> newest = 0; horizon = f_horizon
    :: else -> newest = synced; horizon = synced_horizon
    fi;
    i = 0;
    do
    :: i < ENTRIES -> journal[i] = (i < newest -> journal[i] : 0); i++
    :: else -> break
    od;
    synced = newest; synced_horizon = horizon;
#else
    newest = 0; horizon = f_horizon;
    i = 0;
    do
    :: i < ENTRIES -> journal[i] = 0; i++
    :: else -> break
    od;
#endif
    cursor = 0; saved_at = 0
}

/* What was acknowledged and is neither in the flash checkpoint nor in a row may be missing. */
inline forgive_what_was_not_flushed() {
    in_outbox();
    t = t | f_done | k_events;
#ifdef DISK
    i = 0;
    do
    :: i < newest -> t = t | BIT(journal[i]); i++
    :: else -> break
    od;
#endif
    i = 0;
    do
    :: i < N ->
        if
        :: told[i] == acknowledged && (t & BIT(i)) == 0 -> forgiven = forgiven | BIT(i)
        :: else
        fi;
        i++
    :: else -> break
    od;
    skip
}

/* Power cut and a start: Recovery with the flash checkpoint, a new epoch and the frontier */
inline power_cut() {
    connection_lost();
    open = f_open; done = f_done; watermark = f_watermark; sequence = f_sequence;
    frontier = db_frontier;
#ifndef NO_NEW_EPOCH
    new_epoch = 1;
#endif
#ifdef NO_GROUP_FORGOTTEN
    incomplete = 0; db_pending = 0;
#else
    forget_group();
#endif
    i = 0;
    do
    :: i < STAGED -> ring[i] = 0; i++
    :: else -> break
    od;
    staged = 0;
    journal_after_power_cut();
    save_crash_checkpoint();
    process_ends();
    forgive_what_was_not_flushed()
}
#endif

/* ==== Kafka ====================================================================================================== */

inline kafka_takes(events) {
    assert((k_events & (events) & ~excused) == 0);           /* an event twice */
    assert(excused || (k_identities & IDENTITIES(events)) == 0);    /* a window's key twice */
    k_events = k_events | (events);
    k_identities = k_identities | IDENTITIES(events)
}

/* ==== uplink and bridges ========================================================================================= */

#ifdef HAS_BACK
#define IN_QUEUE(b, s) ((queued_n[b] > 0 && q_session[2 * b] == s) || (queued_n[b] > 1 && q_session[2 * b + 1] == s))
#define HELLO_IN_QUEUE(b, s) ((queued_n[b] > 0 && q_session[2 * b] == s && q_ship[2 * b] == 0) || \
                              (queued_n[b] > 1 && q_session[2 * b + 1] == s && q_ship[2 * b + 1] == 0))
#define IN_USE(s) (session == s || live[0] == s || live[1] == s || IN_QUEUE(0, s) || IN_QUEUE(1, s) || \
                   (tx[0] && tx_session[0] == s) || (tx[1] && tx_session[1] == s))
#define SESSION_HELD (stage[at] == 3 && (live[at] == session || HELLO_IN_QUEUE(at, session) || \
                      (tx[at] && tx_hello[at] && tx_session[at] == session)))
#if defined(CARDS) && !defined(NO_STALE_REFUSED) && !defined(NO_INCARNATION)
#define STALE_IS_KNOWN(b, i_) ((i_) >= mark_incarnation[b])
#else
#define STALE_IS_KNOWN(b, i_) true
#endif
#define OWNER_LIVES (owner < 2 && stage[(owner < 2 -> owner : 0)] > 0)

inline post(b, number_, what_) {
    q_session[2 * b + queued_n[b]] = session;
    q_ship[2 * b + queued_n[b]] = number_;
    q_what[2 * b + queued_n[b]] = what_;
    queued_n[b]++
}

inline pop(b) {
    q_session[2 * b] = q_session[2 * b + 1]; q_ship[2 * b] = q_ship[2 * b + 1]; q_what[2 * b] = q_what[2 * b + 1];
    queued_n[b]--;
    unpost(b)
}

inline unpost(b) {                /* clears the place behind the last request */
    q_session[2 * b + queued_n[b]] = 0; q_ship[2 * b + queued_n[b]] = 0; q_what[2 * b + queued_n[b]] = 0
}

inline greet_bridge(b) {
    t = 1;
    do
    :: IN_USE(t) -> t++
    :: else -> break
    od;
    phase = 1; at = b; session = t;
    post(b, 0, incarnation)
}

inline end_session() { phase = 0; at = 0; session = 0; sent_ship = 0 }

/* The row with the least number above sent_ship, into t; ROWS: none */
inline find_next() {
    t = ROWS; i = 0;
    do
    :: i < ROWS ->
        if
        :: ship[i] > sent_ship && (t == ROWS || ship[i] < ship[(t < ROWS -> t : 0)]) -> t = i
        :: else
        fi;
        i++
    :: else -> break
    od;
    skip
}

inline send_next() {
    post(at, ship[t], row[t]);
    sent_ship = ship[t];
#ifdef NO_ROW_UNTIL_ACK
    row[t] = 0; ship[t] = 0
#endif
}

inline forget_tx(b) { tx[b] = 0; tx_session[b] = 0; tx_hello[b] = 0; tx_mark[b] = 0; tx_what[b] = 0 }

/* PartitionWriter::forget_sessions, and of a killed bridge everything */
inline bridge_forgets(b) {
    stage[b] = 0; live[b] = 0; mark[b] = 0; mark_incarnation[b] = 0;
    do
    :: queued_n[b] -> queued_n[b]--; unpost(b)
    :: else -> break
    od;
    forget_tx(b)
}

inline acknowledge_to(s, ship_) {
    if
    :: session == s && phase == 2 && acked_ship < ship_ -> acked_ship = ship_
    :: else
    fi
}

#ifdef CARDS
inline look_into_card() {         /* events of rows, into t */
    t = 0; i = 0;
    do
    :: i < ROWS -> t = t | row[i]; i++
    :: else -> break
    od
}

inline take_spare() {
    i = 0;
    do
    :: i < ROWS -> row[i] = spare_row[i]; ship[i] = spare_ship[i]; spare_row[i] = 0; spare_ship[i] = 0; i++
    :: else -> break
    od;
    last_ship = spare_last_ship; incarnation = spare_incarnation;
    spare_last_ship = 0; spare_incarnation = 0; spare = 0
}

inline keep_spare(kind) {
    i = 0;
    do
    :: i < ROWS -> spare_row[i] = row[i]; spare_ship[i] = ship[i]; i++
    :: else -> break
    od;
    spare_last_ship = last_ship; spare_incarnation = incarnation; spare = kind
}

/* A new card: a new incarnation. What the old one has not delivered is gone. */
inline new_card() {
    look_into_card();
    forgiven = forgiven | (t & ~k_events);
    keep_spare(2);
    i = 0;
    do
    :: i < ROWS -> row[i] = 0; ship[i] = 0; i++
    :: else -> break
    od;
    last_ship = 0; incarnations++; incarnation = incarnations; refused = 0;
    process_ends()
}

/* The card that was replaced comes back, and the present one goes. */
inline old_card() {
    look_into_card();
    forgiven = forgiven | (t & ~k_events);
    take_spare();
    process_ends()
}

/* The card becomes what it was when it was copied. */
inline old_copy() {
    look_into_card();
    q = t;
    take_spare();
    look_into_card();
    forgiven = forgiven | (q & ~k_events & ~t);
    excused = excused | t;
    process_ends()
}

/* OutboxStore::renew */
inline renew_incarnation() {
    i = 0;
    do
    :: i < ROWS && ship[i] -> row[i] = 0; ship[i] = 0; i++
    :: i < ROWS && !ship[i] -> i++
    :: else -> break
    od;
    last_ship = 0; incarnations++; incarnation = incarnations;
    acked_ship = 0; end_session()
}
#endif

/* PartitionWriter::plan for the first request */
inline plan(b) {
    t = q_session[2 * b]; k = q_ship[2 * b]; q = q_what[2 * b];
    if
#if defined(CARDS) && !defined(NO_STALE_REFUSED) && !defined(NO_INCARNATION)
    :: k == 0 && q < mark_incarnation[b] ->                     /* a replaced incarnation */
        if
        :: session == t -> end_session(); refused = 1
        :: else
        fi
#endif
    :: k == 0 && STALE_IS_KNOWN(b, q) ->
        tx[b] = 1; tx_session[b] = t; tx_hello[b] = 1; tx_what[b] = q;
#ifdef NO_INCARNATION
        tx_mark[b] = mark[b]
#else
        tx_mark[b] = (mark_incarnation[b] == q -> mark[b] : 0)
#endif
#ifndef NO_LIVE_SESSION
    :: k && live[b] != t -> skip                                /* greeted before the marks were read */
#endif
#ifndef NO_SHIP_COMPARED
    :: k && live[b] == t && k <= mark[b] -> acknowledge_to(t, mark[b])
#endif
    :: else ->
        tx[b] = 1; tx_session[b] = t; tx_mark[b] = k; tx_what[b] = q;
#ifdef NO_ACK_AFTER_COMMIT
        acknowledge_to(t, k)
#endif
    fi;
    pop(b)
}

/* rd_kafka_commit_transaction as Kafka sees it */
inline kafka_commits(b) {
#ifndef NO_FENCING
    if
    :: owner != b -> bridge_forgets(b)
    :: else ->
#endif
        if
        :: tx_hello[b] -> k_incarnation = tx_what[b]; k_mark = tx_mark[b]; tx[b] = 2
        :: else ->
            kafka_takes(tx_what[b]);
#ifdef NO_MARK_IN_TRANSACTION
            tx[b] = 3
#else
            k_mark = tx_mark[b]; tx[b] = 2
#endif
        fi
#ifndef NO_FENCING
    fi
#endif
}

inline welcomed(ship_) {
    phase = 2; greeted = 1;
#ifndef NO_SHIP_COMPARED
    sent_ship = ship_; acked_ship = (acked_ship < ship_ -> ship_ : acked_ship)
#endif
}

/* PartitionWriter::apply, and its event's way to the agent */
inline bridge_hears(b) {
    mark[b] = tx_mark[b];
    if
    :: tx_hello[b] ->
        mark_incarnation[b] = tx_what[b];
        live[b] = tx_session[b];
        if
        :: session == tx_session[b] && phase == 1 ->
#if defined(CARDS) && !defined(NO_INCARNATION)
            if
            :: tx_mark[b] > last_ship -> renew_incarnation()    /* numbers that this state never gave: an old copy */
            :: else -> welcomed(tx_mark[b])
            fi
#else
#if !defined(NO_INCARNATION) && !defined(NO_SHIP_KEPT)
            assert(tx_mark[b] <= last_ship);
#endif
            welcomed(tx_mark[b])
#endif
        :: else
        fi
    :: else -> acknowledge_to(tx_session[b], tx_mark[b])
    fi;
    forget_tx(b)
}

inline take_marks(b) { mark[b] = k_mark; mark_incarnation[b] = k_incarnation }
inline fence(b) { owner = b }

#define BRIDGE(b) \
    /* a bridge where none is; beside a living one it is a fault: two think that they own the partition */ \
    :: d_step { stage[b] == 0 && !OWNER_LIVES -> SAY_OF("bridge %d starts\n", b) first_half(b); stage[b] = 1 } \
    :: d_step { stage[b] == 0 && OWNER_LIVES && owner != b && left -> left--; \
                SAY_OF("FAULT: bridge %d starts beside the other\n", b) first_half(b); stage[b] = 1 } \
    :: d_step { stage[b] == 1 -> \
                SAY_OF("bridge %d: the second of init_transactions and marks\n", b) second_half(b); stage[b] = 2 } \
    :: d_step { stage[b] == 2 -> SAY_OF("bridge %d writes its name\n", b) claim(b) } \
    :: d_step { stage[b] == 3 && phase == 0 && !refused && queued_n[b] < QUEUE -> \
                SAY_OF("the agent says hello to bridge %d\n", b) greet_bridge(b) } \
    :: d_step { stage[b] == 3 && tx[b] == 0 && queued_n[b] -> \
                SAY_OF("bridge %d takes a request into a transaction\n", b) plan(b) } \
    :: d_step { tx[b] == 1 -> SAY_OF("Kafka commits for bridge %d, unless it is fenced\n", b) kafka_commits(b) } \
    :: d_step { tx[b] == 3 -> SAY("Kafka has the mark\n") k_mark = tx_mark[b]; tx[b] = 2 } \
    :: d_step { tx[b] == 2 -> SAY_OF("bridge %d hears of the commit and answers the agent\n", b) bridge_hears(b) } \
    /* SIGKILL; or the end of a transaction that is not known: a new producer */ \
    :: d_step { left && stage[b] > 0 -> left--; \
                SAY_OF("FAULT: bridge %d is killed, or does not hear how its commit ended\n", b) bridge_forgets(b) }

#ifdef NO_MARKS_AFTER_INIT
#define first_half(b) take_marks(b)
#define second_half(b) fence(b)
#else
#define first_half(b) fence(b)
#define second_half(b) take_marks(b)
#endif

inline claim(b) {                 /* writes the owner's name: only the one who owns the partition can */
    if
#ifndef NO_FENCING
    :: owner != b -> bridge_forgets(b)
#endif
    :: else -> stage[b] = 3
    fi
}
#endif

/* ==== everything that can happen next ============================================================================ */

#ifdef HAS_FRONT
#define IN_AIR(m) (IN_THE_AIR(m) -> 1 : 0)
#if N == 4
#define IN_FLIGHT_NOW (IN_AIR(0) + IN_AIR(1) + IN_AIR(2) + IN_AIR(3))
#define EACH(p) (p(0) && p(1) && p(2) && p(3))
#elif N == 3
#define IN_FLIGHT_NOW (IN_AIR(0) + IN_AIR(1) + IN_AIR(2))
#define EACH(p) (p(0) && p(1) && p(2))
#else
#define IN_FLIGHT_NOW (IN_AIR(0) + IN_AIR(1))
#define EACH(p) (p(0) && p(1))
#endif
#define ACKNOWLEDGED(m) (told[m] == acknowledged)

/* In order: what the broker sends, what the receive thread is given, what it acknowledges. */
#ifdef NO_JOURNAL_BEFORE_ACK
#define RECEIVE(m) \
    :: d_step { told[m] == sent && !in_callback && BEFORE(m, sent) -> \
               SAY_OF("event %d is acknowledged\n", m) told[m] = acknowledged; in_callback = m + 1 } \
    :: d_step { in_callback == m + 1 -> SAY_OF("event %d goes into the journal\n", m) append_event(m); in_callback = 0 }
#else
#define RECEIVE(m) \
    :: d_step { told[m] == sent && BEFORE(m, sent) -> \
               SAY_OF("event %d goes into the journal, unless it is known\n", m) append_event(m); told[m] = kept } \
    :: d_step { told[m] == kept && BEFORE(m, kept) -> \
               SAY_OF("event %d is acknowledged\n", m) told[m] = acknowledged }
#endif
#if N > 2
#define BEFORE(m, s) (((m) == 0 || told[0] != s) && ((m) <= 1 || told[1] != s) && ((m) <= 2 || told[2] != s))
#else
#define BEFORE(m, s) ((m) == 0 || told[0] != s)
#endif
#define DELIVERY(m) \
    :: d_step { told[m] == queued && BEFORE(m, queued) && IN_FLIGHT_NOW < IN_FLIGHT -> \
               SAY_OF("the broker sends event %d\n", m) told[m] = sent } \
    RECEIVE(m)
#endif

#define IS_NUMBERED(r) (ship[r] -> 1 : 0)
#define NUMBERED_NOW (IS_NUMBERED(0) + IS_NUMBERED(1) + IS_NUMBERED(2) + IS_NUMBERED(3) + IS_NUMBERED(4))
#define SETTLED(r) (ship[r] && ship[r] <= acked_ship)
#define ANY(p) (p(0) || p(1) || p(2) || p(3) || p(4))
#define TO_SEND(r) (ship[r] > sent_ship)
#define NO_ROW(r) (row[r] == 0)

inline delete_acknowledged() {
    i = 0;
    do
    :: i < ROWS && SETTLED(i) -> row[i] = 0; ship[i] = 0; i++
    :: i < ROWS && !SETTLED(i) -> i++
    :: else -> break
    od;
#ifdef NO_SHIP_KEPT
    settled = (settled < acked_ship -> acked_ship : settled);
#endif
    skip
}

#ifdef FRONT
#define ROW(r) :: d_step { row[r] && !(incomplete & BIT(r)) -> SAY_OF("Kafka has the row of events %d\n", row[r]) \
                           kafka_takes(row[r]); row[r] = 0 }
#else
#if defined(NO_NUMBER_AFTER_WELCOME) || defined(NO_SHIP_KEPT)
#define MAY_NUMBER true
#else
#define MAY_NUMBER greeted
#endif
#define ROW(r) :: d_step { row[r] && !ship[r] && !(incomplete & BIT(r)) && NUMBERED_NOW < NUMBERED && MAY_NUMBER -> \
                           SAY_OF("a ship number for the row of events %d\n", row[r]) last_ship++; ship[r] = last_ship }
#endif

/* coarsen: adjacent windows of a key become one row. Of two numbers (only without the guard) the later stays. */
#ifdef NO_FROZEN_ROWS
#define MAY_MERGE(a, b) (row[a] && row[b])
#elif defined(NO_COMPLETE_ROWS)
#define MAY_MERGE(a, b) (row[a] && row[b] && !ship[a] && !ship[b])
#else
#define MAY_MERGE(a, b) (row[a] && row[b] && !ship[a] && !ship[b] && !(incomplete & (BIT(a) | BIT(b))))
#endif
#define OF_A(r) ((row[r] & ~(W0A | W1A)) == 0)
#define COARSEN(a, b) \
    :: d_step { MAY_MERGE(a, b) && OF_A(a) && OF_A(b) && (row[a] & W0A) && (row[b] & W1A) -> \
                SAY("two rows are coarsened into one\n") \
                row[a] = row[a] | row[b]; ship[a] = (ship[a] > ship[b] -> ship[a] : ship[b]); row[b] = 0; ship[b] = 0; \
                incomplete = incomplete & ~BIT(b) }

active proctype weir() {
#ifdef HAS_FRONT
    d_step {
        i = 0;
        do
        :: i < N -> told[i] = queued; i++
        :: else -> break
        od;
        i = 0
    };
#endif
    do
#ifdef HAS_FRONT
    DELIVERY(0)
    DELIVERY(1)
#if N > 2
    DELIVERY(2)
#endif
#if N > 3
    DELIVERY(3)
#endif
    /* engine: an entry; a tick, once all is said; checkpoints */
    :: d_step { cursor < newest -> SAY_OF("the engine takes entry %d\n", journal[cursor]) engine_takes() }
    :: d_step { EACH(ACKNOWLEDGED) && !in_callback && cursor == newest && open ->
                SAY("a tick goes into the journal\n") journal[newest] = TICK; newest++ }
    :: d_step { done != c_done || watermark != c_watermark -> SAY("crash checkpoint\n") save_crash_checkpoint() }
    :: d_step { done != f_done || watermark != f_watermark -> SAY("flash checkpoint, with what is staged\n") flush() }
#ifdef DISK
    :: d_step { synced != newest || synced_horizon != horizon ->
                SAY("the journal is synced\n") synced = newest; synced_horizon = horizon }
#endif
    :: d_step { sealed != sequence -> SAY("what was emitted is sealed\n") sealed = sequence }
    :: d_step { staged -> SAY_OF("the outbox commits staged rows from that of %d on\n", ring[0]) commit_some() }
    :: d_step { !new_epoch && (incomplete || db_pending) && sealed >= db_sequence && sequence - staged >= sealed ->
                SAY("the outbox commits the end of a group\n") close_group() }
#else
    :: d_step { made < N -> SAY_OF("the outbox commits a row with event %d\n", made) insert_row(BIT(made)); made++ }
#endif
    ROW(0)
    ROW(1)
    ROW(2)
    ROW(3)
    ROW(4)
    COARSEN(0, 1)
    COARSEN(0, 2)
    COARSEN(1, 0)
    COARSEN(1, 2)
    COARSEN(2, 0)
    COARSEN(2, 1)
#ifdef HAS_BACK
    :: d_step { ANY(SETTLED) -> SAY("rows that were acknowledged are deleted\n") delete_acknowledged() }
    :: d_step { phase == 2 && stage[at] == 3 && queued_n[at] < QUEUE && ANY(TO_SEND) -> find_next();
                SAY_OF("the agent sends the row with ship number %d\n", ship[t]) send_next() }
    :: d_step { phase && !SESSION_HELD -> SAY("the agent notices that its session is gone\n") end_session() }
    BRIDGE(0)
    BRIDGE(1)
#endif

    /* faults */
#ifdef HAS_FRONT
#ifndef WITHOUT_KILL
    :: d_step { left -> left--; SAY("FAULT: SIGKILL of the agent\n") agent_killed() }
#endif
#ifndef WITHOUT_POWER_CUT
    :: d_step { left -> left--; SAY("FAULT: power cut\n") power_cut() }
#endif
    :: d_step { left && IN_FLIGHT_NOW ->
                left--; SAY("FAULT: the connection to the broker is lost\n") connection_lost() }
#else
    :: d_step { left && (phase || acked_ship) -> left--; SAY("FAULT: SIGKILL of the agent\n") process_ends() }
#ifdef CARDS
    :: d_step { left && incarnations == 0 && spare == 0 -> left--; SAY("FAULT: a new card\n") new_card() }
    :: d_step { left && spare == 2 -> left--; SAY("FAULT: the card that was replaced is put back\n") old_card() }
    :: d_step { left && spare == 0 && incarnations == 0 -> SAY("somebody copies the card\n") keep_spare(1) }
    :: d_step { left && spare == 1 -> left--; SAY("FAULT: the copy is put back\n") old_copy() }
#endif
#endif
#ifdef HAS_BACK
    /* a lost connection to the bridge: what was said last may not have arrived */
    :: d_step { left && phase -> left--; SAY("FAULT: the connection to the bridge is lost\n") end_session() }
    :: d_step { left && phase && queued_n[at] && q_session[2 * at + queued_n[at] - 1] == session ->
                left--; SAY("FAULT: the connection to the bridge is lost, with the last frame\n")
                queued_n[at]--; unpost(at); end_session() }
    :: d_step { left && phase && queued_n[at] == 2 && q_session[2 * at] == session &&
                q_session[2 * at + 1] == session ->
                left--; SAY("FAULT: the connection to the bridge is lost, with two frames\n")
                queued_n[at]--; unpost(at); queued_n[at]--; unpost(at); end_session() }
#endif
    :: timeout ->
        d_step {
            t = 0; i = 0;
            do
            :: refused && i < ROWS -> t = t | row[i]; i++      /* waits on a card that is refused, with an alert */
            :: else -> break
            od;
            assert((k_events | forgiven | t) == ALL)           /* an event is lost */
        };
        break
    od
}
