// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * U-Boot's command "updater": which slot boots, its try, its payload in memory, its marks.
 *
 * libupdate/c/u-boot/README.md says how it is added to a tree, and has a boot script. What is known of the board is in
 * updater-board.h, which `updater-cli --profile P hook-config --c-header -o updater-board.h` writes. With UPDATER_SMALL the command
 * has no `boot` and no `status`.
 */
#include <common.h>
#include <blk.h>
#include <command.h>
#include <cyclic.h>
#include <env.h>
#include <lmb.h>
#include <malloc.h>
#include <mapmem.h>
#include <memalign.h>
#include <part.h>
#include <asm/global_data.h>
#include <dm/device.h>
#include <dm/uclass.h>

#include "libupdate.h"
#include "updater-board.h"

DECLARE_GLOBAL_DATA_PTR;

#define BOUNCE_BYTES 4096

static const struct lu_partition partitions[] = { UPDATER_PARTITIONS };

static const struct lu_key keys[] = { UPDATER_KEYS };

static const char *const kinds[] = { "", "trial", "counted", "good", "suspect" };

#ifndef UPDATER_SMALL
static const char *const states[] = { "?", "empty", "disarmed", "unverified", "failed", "exhausted", "staged", "trial", "good" };

/* What is said of a piece of news before its text, by enum lu_news. */
static const char *const news[] = {
	"?",
	"a damaged copy of the partition table was written anew",
	"a copy of the partition table has no place to be written to",
	"a damaged copy of the partition table could not be written anew: ",
	"the backup copy of the partition table is not as it should be",
	"its try could not be spent: ",
	"passed over: ",
	"keeps its bits: ",
	"no note is left: ",
	"not marked good: ",
	"no slot boots, so every block of each is read",
};
#endif

/* What the command leaves for the script; nothing of it survives a failure. */
static const char *const answers[] = { "updater_slot", "updater_kind", "updater_tries", "updater_part", "updater_size",
					 "updater_verdict" };

struct updater {
	struct blk_desc *desc;
	struct lu_disk disk;
	struct lu_board board;
	struct lu_error error;
	void *memory;
	size_t len;
	void *bounce;
};

/* Where a payload goes. */
struct room {
	struct updater *of;
	const char *role;
	ulong addr;
	size_t len;
	size_t image;
};

void lu_panic(void)
{
	panic("updater: libupdate found its own rules broken\n");
}

/*
 * Answers 0 if everything that was written to this disk is durable. U-Boot's block layer has no flush, so that depends on what the
 * drivers do by themselves. A board with a drive that it knows how to flush has a function of this name of its own.
 */
int __weak updater_flush(struct blk_desc *desc)
{
	struct udevice *parent = dev_get_parent(desc->bdev);

	switch (desc->uclass_id) {
	case UCLASS_VIRTIO:
		/* The driver does not take VIRTIO_BLK_F_FLUSH: the device has to write through. */
		return 0;
	case UCLASS_MMC:
		/* The cache of an eMMC is off after the CMD0 with which each driver begins, and none switches it on. */
		return 0;
	case UCLASS_SCSI:
		/* AHCI flushes after each write; a UFS does not. */
		parent = parent ? dev_get_parent(parent) : NULL;
		return parent && device_get_uclass_id(parent) == UCLASS_AHCI ? 0 : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

/* Drivers with DMA want whole lines of the cache: what is not aligned goes through a buffer that is. */

static int32_t disk_read(void *context, uint64_t lba, uint32_t blocks, void *to)
{
	struct updater *u = context;
	uint32_t at, n, most = BOUNCE_BYTES / u->desc->blksz;

	schedule();
	if (IS_ALIGNED((uintptr_t)to, ARCH_DMA_MINALIGN))
		return blk_dread(u->desc, lba, blocks, to) == blocks ? 0 : -EIO;
	for (at = 0; at < blocks; at += n) {
		n = min(blocks - at, most);
		if (blk_dread(u->desc, lba + at, n, u->bounce) != n)
			return -EIO;
		memcpy(to + (size_t)at * u->desc->blksz, u->bounce, (size_t)n * u->desc->blksz);
	}
	return 0;
}

static int32_t disk_write(void *context, uint64_t lba, uint32_t blocks, const void *from)
{
	struct updater *u = context;
	uint32_t at, n, most = BOUNCE_BYTES / u->desc->blksz;

	schedule();
	if (IS_ALIGNED((uintptr_t)from, ARCH_DMA_MINALIGN))
		return blk_dwrite(u->desc, lba, blocks, from) == blocks ? 0 : -EIO;
	for (at = 0; at < blocks; at += n) {
		n = min(blocks - at, most);
		memcpy(u->bounce, from + (size_t)at * u->desc->blksz, (size_t)n * u->desc->blksz);
		if (blk_dwrite(u->desc, lba + at, n, u->bounce) != n)
			return -EIO;
	}
	return 0;
}

static int32_t disk_flush(void *context)
{
	struct updater *u = context;

	return updater_flush(u->desc);
}

#ifndef UPDATER_SMALL
static void say(void *context, uint32_t what, uint8_t slot, const char *text)
{
	const char *words = what < ARRAY_SIZE(news) ? news[what] : "";

	if (slot == LU_NO_SLOT)
		printf("updater: %s%s\n", words, text);
	else
		printf("updater: slot %c: %s%s\n", LU_LETTER(slot), words, text);
}

static const struct lu_listener listener = { .size = sizeof(listener), .say = say };
#endif

static void close(struct updater *u)
{
	free(u->memory);
	free(u->bounce);
}

static int open(struct updater *u, const char *interface, const char *dev)
{
	memset(u, 0, sizeof(*u));
	if (lu_abi() != LU_ABI) {
		printf("updater: libupdate.h is of another version than the library\n");
		return -EINVAL;
	}
	if (blk_get_device_by_str(interface, dev, &u->desc) < 0) {
		printf("updater: there is no disk %s %s\n", interface, dev);
		return -ENODEV;
	}
	if (updater_flush(u->desc)) {
		printf("updater: refuses %s: U-Boot never empties the cache of such a drive, so nothing written is sure to stay\n",
		       interface);
		return -EOPNOTSUPP;
	}
	u->len = lu_full_memory();
	u->memory = malloc_cache_aligned(u->len);
	u->bounce = malloc_cache_aligned(BOUNCE_BYTES);
	if (!u->memory || !u->bounce || u->desc->blksz > BOUNCE_BYTES) {
		printf("updater: needs %zu bytes of memory\n", u->len + BOUNCE_BYTES);
		close(u);
		return -ENOMEM;
	}
	u->disk = (struct lu_disk){
		.size = sizeof(u->disk), .block_size = u->desc->blksz, .block_count = u->desc->lba, .context = u,
		.read = disk_read, .write = disk_write, .flush = disk_flush,
	};
	u->board = (struct lu_board){
		.size = sizeof(u->board), .tries = UPDATER_TRIES, .guard = UPDATER_GUARD,
		.partitions = partitions, .partition_count = ARRAY_SIZE(partitions), .compatible = UPDATER_COMPATIBLE,
		.keys = keys, .key_count = ARRAY_SIZE(keys), .threshold = UPDATER_THRESHOLD,
	};
	u->error.size = sizeof(u->error);
	return 0;
}

static int failed(struct updater *u, int32_t status)
{
	const char *text = status < 0 && u->error.text[0] ? u->error.text : lu_text(status);

	printf("updater: %s\n", text);
	return CMD_RET_FAILURE;
}

/* a, b .. */
static int slot_of(const char *word, uint8_t *slot)
{
	if (word[0] < 'a' || word[0] > 'h' || word[1])
		return -EINVAL;
	*slot = word[0] - 'a' + 1;
	return 0;
}

static const char *control_role(uint8_t slot)
{
	size_t at;

	for (at = 0; at < ARRAY_SIZE(partitions); at++) {
		if (partitions[at].slot == slot && partitions[at].control)
			return partitions[at].role;
	}
	return "";
}

static void forget(void)
{
	size_t at;

	for (at = 0; at < ARRAY_SIZE(answers); at++)
		env_set(answers[at], NULL);
}

/* Leaves for the script what boots. */
static int tell(struct updater *u, int32_t status, const struct lu_boot *boot)
{
	struct lu_place place = { .size = sizeof(place) };
	char name[2] = { LU_LETTER(boot->slot), 0 };
	int32_t found;

	found = lu_place(&u->disk, &u->board, boot->slot, control_role(boot->slot), u->memory, u->len, &place, &u->error);
	if (found < 0)
		return failed(u, found);
	env_set("updater_slot", name);
	env_set("updater_kind", kinds[boot->kind]);
	env_set_ulong("updater_tries", boot->tries_left);
	env_set_ulong("updater_part", place.entry);
	printf("updater: slot %s boots: %s, %u %s left, partition %u\n", name, kinds[boot->kind], boot->tries_left,
	       boot->tries_left == 1 ? "try" : "tries", place.entry);
	if (status == LU_NOT_SPENT)
		printf("updater: its try could not be spent; a good slot boots all the same\n");
	if (boot->needs_repair)
		printf("updater: a copy of the partition table is damaged\n");
	return CMD_RET_SUCCESS;
}

static int do_choose(struct updater *u, bool spend)
{
	struct lu_boot boot = { .size = sizeof(boot) };
	int32_t status;

	if (spend)
		status = lu_choose_and_spend(&u->disk, &u->board, u->memory, u->len, &boot, &u->error);
	else
		status = lu_choose(&u->disk, &u->board, u->memory, u->len, &boot, &u->error);
	if (status < 0)
		return failed(u, status);
	if (boot.slot == LU_NO_SLOT) {
		printf("updater: no slot boots\n");
		return CMD_RET_FAILURE;
	}
	return tell(u, status, &boot);
}

/* What is free at an address: not U-Boot itself, nor what is reserved. */
static size_t room_at(ulong addr)
{
#ifdef CONFIG_LMB
	struct lmb lmb;

	lmb_init_and_reserve(&lmb, gd->bd, (void *)gd->fdt_blob);
	return lmb_get_free_size(&lmb, addr);
#else
	return 0;
#endif
}

static int room_of(struct room *room, struct updater *u, int argc, char *const argv[])
{
	*room = (struct room){ .of = u, .role = argv[0], .addr = hextoul(argv[1], NULL) };
	room->len = argc > 2 ? hextoul(argv[2], NULL) : room_at(room->addr);
	if (room->len)
		return 0;
	printf("updater: nothing is free at %lx; <len> says how much may be overwritten\n", room->addr);
	return -ENOMEM;
}

static void told(const struct room *room)
{
	env_set_hex("updater_size", room->image);
	printf("updater: %s is at %lx: %zu bytes, every one of them checked\n", room->role, room->addr, room->image);
}

static int do_verify(struct updater *u, uint8_t slot, int argc, char *const argv[])
{
	struct room room;
	int32_t status;
	void *to;

	if (room_of(&room, u, argc, argv))
		return CMD_RET_FAILURE;
	to = map_sysmem(room.addr, room.len);
	status = lu_verify(&u->disk, &u->board, slot, room.role, u->memory, u->len, to, room.len, &room.image, &u->error);
	unmap_sysmem(to);
	if (status == LU_E_SLOT || status == LU_E_REJECTED) {
		env_set("updater_verdict", "bad");
		printf("updater: slot %c must not start: ", LU_LETTER(slot));
		return failed(u, status);
	}
	if (status < 0) {
		printf("updater: slot %c does not start this time: ", LU_LETTER(slot));
		return failed(u, status);
	}
	told(&room);
	return CMD_RET_SUCCESS;
}

#ifndef UPDATER_SMALL
/* Called by lu_boot for each slot that is sound, until one of them is loaded. */
static int32_t start(void *context, void *sound, const struct lu_boot *boot)
{
	struct room *room = context;
	struct updater *u = room->of;
	void *to = map_sysmem(room->addr, room->len);
	int32_t status = lu_load(sound, room->role, to, room->len, &room->image, &u->error);

	unmap_sysmem(to);
	return status;
}

static int do_boot(struct updater *u, int argc, char *const argv[])
{
	struct lu_rules rules = { .size = sizeof(rules), .last_resort = 1 };
	struct lu_starter starter = { .size = sizeof(starter), .start = start };
	struct lu_boot boot = { .size = sizeof(boot) };
	struct room room;
	int32_t status;

	if (room_of(&room, u, argc, argv))
		return CMD_RET_FAILURE;
	starter.context = &room;
	status = lu_boot(&u->disk, &u->board, &rules, &starter, &listener, u->memory, u->len, &boot, &u->error);
	if (status < 0)
		return failed(u, status);
	if (status == LU_NOTHING || boot.slot == LU_NO_SLOT) {
		printf("updater: no slot starts\n");
		return CMD_RET_FAILURE;
	}
	if (tell(u, status, &boot))
		return CMD_RET_FAILURE;
	told(&room);
	return CMD_RET_SUCCESS;
}
#endif

static int do_mark(struct updater *u, uint8_t slot, bool good)
{
	int32_t status;

	if (good)
		status = lu_mark_good(&u->disk, &u->board, slot, u->memory, u->len, &u->error);
	else
#ifdef UPDATER_SMALL
		status = lu_mark_bad(&u->disk, &u->board, slot, u->memory, u->len, &u->error);
#else
		status = lu_reject(&u->disk, &u->board, slot, "the boot loader's script says so", &listener, u->memory, u->len,
				   &u->error);
#endif
	if (status < 0)
		return failed(u, status);
	printf("updater: slot %c is marked %s\n", LU_LETTER(slot), good ? "good" : "bad");
	return CMD_RET_SUCCESS;
}

#ifndef UPDATER_SMALL
static int do_status(struct updater *u)
{
	struct lu_slot_status slots[8];
	int32_t status;
	size_t at;

	memset(slots, 0, sizeof(slots));
	for (at = 0; at < ARRAY_SIZE(slots); at++)
		slots[at].size = sizeof(slots[at]);
	status = lu_status(&u->disk, &u->board, u->memory, u->len, slots, ARRAY_SIZE(slots), &u->error);
	if (status < 0)
		return failed(u, status);
	printf("slot  state       priority  tries  version\n");
	for (at = 0; at < ARRAY_SIZE(slots); at++) {
		const struct lu_slot_status *slot = &slots[at];

		if (slot->slot == LU_NO_SLOT)
			continue;
		printf("%-5c %-11s %8u %6u  %s\n", LU_LETTER(slot->slot), slot->state < ARRAY_SIZE(states) ? states[slot->state] : "?",
		       slot->priority, slot->tries_left, slot->version);
	}
	return CMD_RET_SUCCESS;
}
#endif

static int act(struct updater *u, const char *verb, int argc, char *const argv[])
{
	uint8_t slot;

#ifndef UPDATER_SMALL
	if (!strcmp(verb, "boot") && argc >= 2)
		return do_boot(u, argc, argv);
	if (!strcmp(verb, "status"))
		return do_status(u);
#endif
	if (!strcmp(verb, "choose") || !strcmp(verb, "spend"))
		return do_choose(u, verb[0] == 's');
	if (!argc || slot_of(argv[0], &slot))
		return CMD_RET_USAGE;
	if (!strcmp(verb, "verify") && argc >= 3)
		return do_verify(u, slot, argc - 1, argv + 1);
	if (!strcmp(verb, "good") || !strcmp(verb, "bad"))
		return do_mark(u, slot, verb[0] == 'g');
	return CMD_RET_USAGE;
}

static int do_updater(struct cmd_tbl *cmdtp, int flag, int argc, char *const argv[])
{
	struct updater u;
	int ret;

	if (argc < 4)
		return CMD_RET_USAGE;
	/* What a verb answers is of this call, or not there. The marks and status answer nothing. */
	if (!strcmp(argv[1], "choose") || !strcmp(argv[1], "spend") || !strcmp(argv[1], "boot"))
		forget();
	if (!strcmp(argv[1], "verify")) {
		env_set("updater_size", NULL);
		env_set("updater_verdict", NULL);
	}
	if (open(&u, argv[2], argv[3]))
		return CMD_RET_FAILURE;
	ret = act(&u, argv[1], argc - 4, argv + 4);
	close(&u);
	return ret;
}

U_BOOT_CMD(
	updater, 8, 0, do_updater, "A/B slots: choose, check, mark",
#ifndef UPDATER_SMALL
	"boot <interface> <dev> <role> <addr> [len] - the whole boot: repair the table, spend a try, check the\n"
	"    signature, load the payload of <role> and check every byte; a slot that fails is passed over\n"
	"updater status <interface> <dev> - what each slot is\n"
	"updater "
#endif
	"choose <interface> <dev> - which slot boots next; writes nothing\n"
	"updater spend <interface> <dev> - the same, and its try is spent\n"
	"updater verify <interface> <dev> <slot> <role> <addr> [len] - load a payload and check every byte\n"
	"updater good|bad <interface> <dev> <slot> - mark it\n"
	"They set updater_slot, updater_kind, updater_tries, updater_part (of the partition table),\n"
	"updater_size, in hex, and updater_verdict=bad, and fail if no slot is to start."
);
