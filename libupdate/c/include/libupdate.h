/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libupdate for C: A/B updates that never brick, for firmware and boot loaders.
 *
 *   chooser   lu_choose, lu_choose_and_spend, lu_place, lu_mark_good, lu_mark_bad, lu_repair
 *             no keys; lu_chooser_memory() bytes of memory          -> libupdate-chooser.a
 *   full      all of it, and lu_verify, lu_install, lu_boot, lu_load, lu_status,
 *             lu_confirm, lu_reject
 *             keys of the board; lu_full_memory() bytes of memory   -> libupdate.a
 *
 * No allocation and no globals: a function works on what it is given, and keeps nothing. Two calls at once need two disks.
 *
 * The contract of every function:
 *  1. A pointer that is not null points to what its type says, and nobody else uses that during the call: the pieces of memory that
 *     a call is given have nothing in common. Text is UTF-8 of at most 255 bytes, and ends with a zero.
 *  2. Each struct begins with its size: set it with sizeof. Reserved fields are 0. No partition and no role of a slot comes twice.
 *  3. The answer is 0 or a positive number if the function did what it is for, else a negative one of enum lu_status; lu_text() says
 *     each in a sentence. What is broken in 2, null where it may not be, or memory that is too small, answers with a number, too.
 *  4. `error` may be null. If it is not, a negative answer fills it. `out` is filled if the answer is not negative.
 *  5. The host defines lu_panic, which does not return. It is called if libupdate finds its own rules broken.
 */
#ifndef LIBUPDATE_H
#define LIBUPDATE_H

#ifdef __UBOOT__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#define LU_ASSERT(what) static_assert(what, #what)
#else
#define LU_ASSERT(what) _Static_assert(what, #what)
#endif

#define LU_ABI 1
/* Slots are numbered from 1: a is 1, b is 2 .. 8. 0, which a struct of zeros says, is none. */
#define LU_NO_SLOT 0
#define LU_LETTER(slot) ('a' + (slot) - 1)
/* At least what lu_chooser_memory() and lu_full_memory() answer, for arrays. */
#define LU_CHOOSER_BYTES 4160
#define LU_FULL_BYTES (52 * 1024)
#define LU_TEXT_BYTES 160
#define LU_VERSION_BYTES 72

enum lu_status {
	LU_DONE = 0,
	LU_NOTHING = 1,		/* nothing to do, or no slot boots */
	LU_NOT_SPENT = 2,	/* a good slot boots, but a try could not be written: the disk needs a look */
	LU_E_ARGUMENT = -1,
	LU_E_MEMORY = -2,
	LU_E_DISK = -3,
	LU_E_TABLE = -4,
	LU_E_BUNDLE = -5,
	LU_E_SLOT = -6,
	LU_E_REJECTED = -7,
	LU_E_SPACE = -8,
	LU_E_SOURCE = -9,
	LU_E_STOPPED = -10,
	LU_E_NO_SLOT = -11	/* or no partition, or no payload, of this role */
};

/* Why a function failed. */
struct lu_error {
	uint32_t size;
	int32_t status;		/* as the function answered */
	int32_t cause;		/* what the disk's callback gave, if it failed */
	uint32_t reserved;
	char text[LU_TEXT_BYTES];	/* one sentence; empty in libupdate-chooser.a and with --small: lu_text() has one */
};

/*
 * A disk. Each callback answers 0, or a number of its own. A write is durable once a later flush answered 0: a flush that does not
 * empty the cache of the drive makes every promise of this library void. A disk without one is refused.
 */
struct lu_disk {
	uint32_t size;
	uint32_t block_size;		/* 512 or 4096 */
	uint64_t block_count;
	uint32_t physical_block_size;	/* what the drive writes at once; 0: as block_size */
	uint32_t reserved;
	void *context;
	int32_t (*read)(void *context, uint64_t lba, uint32_t blocks, void *to);
	int32_t (*write)(void *context, uint64_t lba, uint32_t blocks, const void *from);
	int32_t (*flush)(void *context);
};

/* One partition of a slot, as the board's profile has it. */
struct lu_partition {
	uint32_t size;
	uint8_t slot;		/* 1 for a, 2 for b .. 8 */
	uint8_t control;	/* 1: its entry carries the bits of the slot; exactly one of a slot does */
	uint8_t reserved[2];
	uint8_t type_guid[16];	/* LU_GUID */
	const char *role;	/* "root", "boot" .. */
	const char *label;	/* its name in the table, UTF-8 */
};

/* 0fc63daf-8483-4772-8e79-3d69d8477de4 is LU_GUID(0x0fc63daf, 0x8483, 0x4772, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4). */
#define LU_GUID(a, b, c, d, e, f, g, h, i, j, k) \
	{ (a) & 0xff, ((a) >> 8) & 0xff, ((a) >> 16) & 0xff, ((a) >> 24) & 0xff, (b) & 0xff, ((b) >> 8) & 0xff, \
	  (c) & 0xff, ((c) >> 8) & 0xff, d, e, f, g, h, i, j, k }

/* A public key: SubjectPublicKeyInfo, DER, as `openssl pkey -pubin -outform DER` gives it. */
struct lu_key {
	const uint8_t *der;
	size_t len;
};

/* What is known of the board. A boot loader's part reads no more than guard and partitions. */
struct lu_board {
	uint32_t size;
	uint8_t tries;		/* of a slot that is armed, 1 to 15 */
	uint8_t guard;		/* unconfirmed boots of a good slot before all of it is read, 0 to 15; 0 counts none */
	uint8_t booted;		/* the slot that runs, which lu_install never writes; LU_NO_SLOT: none does, as in a boot loader */
	uint8_t reserved;
	const struct lu_partition *partitions;
	size_t partition_count;	/* at most 32 */
	const char *compatible;	/* which a bundle must name */
	const struct lu_key *keys;
	size_t key_count;	/* at most 16 */
	size_t threshold;	/* how many of them have to sign; 0: one */
};

enum lu_kind {
	LU_TRIAL = 1,	/* it has yet to complete a boot */
	LU_COUNTED = 2,	/* it has, and this boot is counted */
	LU_GOOD = 3,	/* it has, and nothing is written */
	LU_SUSPECT = 4	/* it has, but its counted boots were never confirmed: lu_boot and the hook read all of it first */
};

struct lu_boot {
	uint32_t size;
	uint8_t slot;		/* or LU_NO_SLOT */
	uint8_t kind;		/* enum lu_kind */
	uint8_t tries_left;	/* once the try of this boot is spent */
	uint8_t needs_repair;	/* 1: a copy of the table is damaged, see lu_repair */
};

struct lu_place {
	uint32_t size;
	uint32_t entry;		/* its number in the table, from 1 */
	uint64_t first_lba;
	uint64_t blocks;
};

uint32_t lu_abi(void);			/* LU_ABI, or the header is another version's */
const char *lu_text(int32_t status);
size_t lu_chooser_memory(void);

/* The slot that boots next. Writes nothing. LU_NOTHING: no slot boots. */
int32_t lu_choose(const struct lu_disk *disk, const struct lu_board *board, void *memory, size_t len, struct lu_boot *out,
		  struct lu_error *error);

/*
 * The slot to boot now. Its try is spent, durable and read back before this answers LU_DONE. A slot on trial whose try cannot be spent
 * does not boot: if a good slot is there, that one is in out, and the answer is LU_NOT_SPENT. After a negative answer nothing may boot.
 * One commit of the table: a cut leaves the old number of tries, or the new one.
 */
int32_t lu_choose_and_spend(const struct lu_disk *disk, const struct lu_board *board, void *memory, size_t len,
			    struct lu_boot *out, struct lu_error *error);

/* Where the partition of a slot with this role is. */
int32_t lu_place(const struct lu_disk *disk, const struct lu_board *board, uint8_t slot, const char *role, void *memory,
		 size_t len, struct lu_place *out, struct lu_error *error);

/* The slot has completed a boot: the caller knows that. LU_E_REJECTED if it is out of the boot order. One commit. */
int32_t lu_mark_good(const struct lu_disk *disk, const struct lu_board *board, uint8_t slot, void *memory, size_t len,
		     struct lu_error *error);

/* The slot, which is on trial, must not boot again. LU_E_REJECTED if no other slot is good. One commit. */
int32_t lu_mark_bad(const struct lu_disk *disk, const struct lu_board *board, uint8_t slot, void *memory, size_t len,
		    struct lu_error *error);

/* Both copies of the table valid and equal: one is written from the other, or none. LU_NOTHING: the backup has no place on the disk. */
int32_t lu_repair(const struct lu_disk *disk, void *memory, size_t len, struct lu_error *error);

/* ---- libupdate.a only ---- */

/* A bundle, from its first byte to its last. read: *got is 0 at its end. skip may be null. */
struct lu_source {
	uint32_t size;
	uint32_t reserved;
	void *context;
	int32_t (*read)(void *context, void *to, size_t len, size_t *got);
	int32_t (*skip)(void *context, uint64_t bytes);
};

enum lu_phase { LU_WRITE = 1, LU_FLUSH = 3, LU_READ_BACK = 4 };

enum lu_news {
	LU_REPAIRED = 1,	/* a damaged copy of the table was written anew */
	LU_NO_PLACE = 2,	/* it has no place to be written to */
	LU_NOT_REPAIRED = 3,
	LU_WARNING = 4,		/* the change is durable, but the backup copy is not as it should be */
	LU_TRY_NOT_SPENT = 5,	/* of a good slot, which boots all the same */
	LU_PASSED_OVER = 6,	/* the slot did not start, or was not tried */
	LU_KEEPS_BITS = 7,	/* what should become of it could not be written */
	LU_NOTE_NOT_LEFT = 8,
	LU_NOT_MARKED_GOOD = 9,
	LU_LAST_RESORT = 10	/* no slot boots: every block of each is read */
};

/*
 * Who hears of an act. Both may be null. progress: bytes of this phase; not 0 stops an installation, which a later call resumes, and
 * nothing else. say: text may be empty. A watchdog is fed in progress, and during lu_verify and lu_load in the disk's read.
 */
struct lu_listener {
	uint32_t size;
	uint32_t reserved;
	void *context;
	int32_t (*progress)(void *context, uint32_t phase, uint64_t done, uint64_t total);
	void (*say)(void *context, uint32_t news, uint8_t slot, const char *text);
};

enum lu_flag {
	LU_STAGE_ONLY = 1,	/* complete, but not armed */
	LU_JUDGE_ONLY = 2,	/* nothing is written */
	LU_ALLOW_DOWNGRADE = 4,
	LU_RETRY_FAILED = 8	/* a version that failed here before */
};

struct lu_request {
	uint32_t size;
	uint8_t slot;			/* to write, or LU_NO_SLOT: policy chooses */
	uint8_t flags;			/* enum lu_flag */
	uint8_t reserved[2];
	uint32_t confirm_within;	/* seconds in which a person confirms the trial; 0 asks nobody */
};

enum lu_ending { LU_ARMED = 1, LU_STAGED = 2, LU_HELD_ALREADY = 3, LU_WOULD_INSTALL = 4 };

struct lu_installed {
	uint32_t size;
	uint8_t slot;
	uint8_t ending;		/* enum lu_ending */
	uint8_t reserved[2];
	uint64_t kept;		/* bytes that were in the slot already */
	uint64_t total;		/* bytes of all images */
	char version[LU_VERSION_BYTES];
};

enum lu_state {
	LU_EMPTY = 1, LU_DISARMED = 2, LU_UNVERIFIED = 3, LU_FAILED = 4, LU_EXHAUSTED = 5, LU_STATE_STAGED = 6, LU_STATE_TRIAL = 7,
	LU_STATE_GOOD = 8
};

struct lu_slot_status {
	uint32_t size;
	uint8_t slot;		/* or LU_NO_SLOT: the board has none of this number */
	uint8_t state;		/* enum lu_state */
	uint8_t priority;
	uint8_t tries_left;
	uint64_t rollback_index;
	char version[LU_VERSION_BYTES];	/* empty if what it holds is not authentic */
};

struct lu_rules {
	uint32_t size;
	uint8_t named;		/* the only slot to try: who started this has chosen it, and spent its try; LU_NO_SLOT: choose */
	uint8_t mark_good;	/* 1: a trial is good as soon as it starts */
	uint8_t last_resort;	/* 1: if no slot boots, every block of each is read, and the first that is right starts */
	uint8_t reserved;
};

/*
 * How a slot is started. start makes ready all that can fail, with lu_load(sound, ..), and answers 0; the caller of lu_boot then jumps.
 * LU_E_ARGUMENT, LU_E_MEMORY and LU_E_DISK pass the slot over, as does a payload that lu_load cannot read. Any other answer, and a
 * payload that lu_load finds damaged, fails a slot on trial for good, if another one is good. `sound` is valid until start returns.
 */
struct lu_starter {
	uint32_t size;
	uint32_t reserved;
	void *context;
	int32_t (*start)(void *context, void *sound, const struct lu_boot *boot);
};

size_t lu_full_memory(void);

/*
 * Authenticates what a slot holds, reads the payload of a role into `to`, and checks every byte of it there, so that what was checked is
 * what starts: for a boot loader that has chosen, and spent the try before. A slot on trial with a rollback index below that of every
 * good slot is LU_E_REJECTED. `to` takes the image, its hash tree and 16 KiB; *image_len bytes of it are the image, or, after
 * LU_E_MEMORY, so many bytes are needed. After a negative answer nothing in `to` may be used. LU_E_SLOT and LU_E_REJECTED are verdicts:
 * lu_mark_bad. No other is: the slot does not boot this time, and keeps its tries.
 */
int32_t lu_verify(const struct lu_disk *disk, const struct lu_board *board, uint8_t slot, const char *role, void *memory,
		  size_t len, void *to, size_t to_len, size_t *image_len, struct lu_error *error);

/*
 * The whole installation: the bundle's head is read and judged, the slot is disarmed, written, read back, and armed last of all. The
 * slot that runs is never written. A cut at any point leaves a device that boots what it booted before, or the new slot; the next call
 * resumes. LU_NOTHING: the slot holds this bundle already. listener may be null. Bundles must not be compressed (--compression none).
 * The flush after the last write may fail with the slot armed: LU_E_DISK then, and a later call looks again. More memory than lu_full_memory(), up to 512 KiB, makes
 * the pieces larger.
 */
int32_t lu_install(const struct lu_disk *disk, const struct lu_board *board, const struct lu_source *source,
		   const struct lu_request *request, const struct lu_listener *listener, void *memory, size_t len,
		   struct lu_installed *out, struct lu_error *error);

/*
 * The whole boot: a damaged copy of the table is written anew; then each slot of the boot order: its try is spent, its signature and
 * its first blocks are checked, start is called. A slot that does not start is marked, and the next is tried. LU_NOTHING: no slot starts.
 */
int32_t lu_boot(const struct lu_disk *disk, const struct lu_board *board, const struct lu_rules *rules,
		const struct lu_starter *starter, const struct lu_listener *listener, void *memory, size_t len,
		struct lu_boot *out, struct lu_error *error);

/* Bytes of memory that lu_load takes for a payload: the image, its hash tree, 16 KiB. 0: the slot has none of this role. */
size_t lu_load_memory(const void *sound, const char *role);

/*
 * Within start: reads a payload into memory and checks every byte of it there, so that what was checked is what starts. *image_len
 * bytes from `to` on are the image; after a negative answer nothing in `to` may be used.
 */
int32_t lu_load(void *sound, const char *role, void *to, size_t len, size_t *image_len, struct lu_error *error);

/* What each slot is: slots[0] tells of slot 1, and so on, up to 8. */
int32_t lu_status(const struct lu_disk *disk, const struct lu_board *board, void *memory, size_t len,
		  struct lu_slot_status *slots, size_t count, struct lu_error *error);

/* lu_mark_good, checked: the slot is the board's booted one, or was good already. */
int32_t lu_confirm(const struct lu_disk *disk, const struct lu_board *board, uint8_t slot, const struct lu_listener *listener,
		   void *memory, size_t len, struct lu_error *error);

/* lu_mark_bad for any slot while another one is good. why, cut at 128 bytes, is kept on the slot for who asks later; it may be null. */
int32_t lu_reject(const struct lu_disk *disk, const struct lu_board *board, uint8_t slot, const char *why,
		  const struct lu_listener *listener, void *memory, size_t len, struct lu_error *error);

/* ---- defined by the host ---- */

#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void lu_panic(void);

/*
 * Only for archives with the host's own crypto (build --host-crypto). At most 8 parts, and none may be kept. The first cannot fail: a
 * host whose hashing can fail calls lu_panic then. The last two answer 0 for yes; a point is 02 X, 03 X or 04 X Y, and on the curve.
 */
struct lu_part {
	const uint8_t *bytes;
	size_t len;
};
void lu_host_sha256(const struct lu_part *parts, size_t count, uint8_t digest[32]);
int32_t lu_host_p256_point(const uint8_t *sec1, size_t len, uint8_t point[65]);	/* 33 or 65 bytes to 04 X Y */
int32_t lu_host_p256_verify(const uint8_t point[65], const uint8_t digest[32], const uint8_t signature[64]);	/* r, s */

/* What libupdate's own side asserts, too. */
#define LU_P sizeof(void *)
LU_ASSERT(sizeof(struct lu_error) == 16 + LU_TEXT_BYTES && offsetof(struct lu_error, text) == 16);
LU_ASSERT(offsetof(struct lu_disk, block_count) == 8 && offsetof(struct lu_disk, physical_block_size) == 16);
LU_ASSERT(offsetof(struct lu_disk, context) == 24 && offsetof(struct lu_disk, flush) == 24 + 3 * LU_P);
LU_ASSERT(sizeof(struct lu_disk) == 24 + 4 * LU_P);
LU_ASSERT(offsetof(struct lu_partition, type_guid) == 8 && offsetof(struct lu_partition, role) == 24);
LU_ASSERT(sizeof(struct lu_partition) == 24 + 2 * LU_P);
LU_ASSERT(sizeof(struct lu_key) == 2 * LU_P && sizeof(struct lu_part) == 2 * LU_P);
LU_ASSERT(offsetof(struct lu_board, booted) == 6 && offsetof(struct lu_board, partitions) == 8);
LU_ASSERT(offsetof(struct lu_board, compatible) == 8 + 2 * LU_P && sizeof(struct lu_board) == 8 + 6 * LU_P);
LU_ASSERT(sizeof(struct lu_boot) == 8 && offsetof(struct lu_boot, needs_repair) == 7);
LU_ASSERT(sizeof(struct lu_place) == 24 && offsetof(struct lu_place, first_lba) == 8);
LU_ASSERT(sizeof(struct lu_source) == 8 + 3 * LU_P && offsetof(struct lu_source, skip) == 8 + 2 * LU_P);
LU_ASSERT(sizeof(struct lu_listener) == 8 + 3 * LU_P && offsetof(struct lu_listener, say) == 8 + 2 * LU_P);
LU_ASSERT(sizeof(struct lu_request) == 12 && offsetof(struct lu_request, confirm_within) == 8);
LU_ASSERT(sizeof(struct lu_installed) == 96 && offsetof(struct lu_installed, version) == 24);
LU_ASSERT(sizeof(struct lu_slot_status) == 88 && offsetof(struct lu_slot_status, version) == 16);
LU_ASSERT(sizeof(struct lu_rules) == 8 && offsetof(struct lu_rules, last_resort) == 6);
LU_ASSERT(sizeof(struct lu_starter) == 8 + 2 * LU_P && offsetof(struct lu_starter, start) == 8 + LU_P);

#ifdef __cplusplus
}
#endif
#endif
