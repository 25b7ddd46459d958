/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A device's life in C: the slot that boots, an installation, the boot on trial, the mark.
 *
 *   cc -Wall -o device device.c $(pkg-config --cflags --libs libupdate)
 *   ./device DISK KEY.der choose|spend|status|boot|install BUNDLE SLOT|verify SLOT|good SLOT|bad SLOT
 *
 * DISK is an image of the built-in profile qemu-x86_64 (updater-cli provision); SLOT is the one that runs, or that is meant. Firmware has a driver in the place of the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libupdate.h>

#define BLOCK 512

void lu_panic(void)
{
	fputs("libupdate found its own rules broken\n", stderr);
	abort();
}

/* The disk: a file. */

static int32_t disk_read(void *context, uint64_t lba, uint32_t blocks, void *to)
{
	size_t len = (size_t)blocks * BLOCK;

	return pread(*(int *)context, to, len, (off_t)(lba * BLOCK)) == (ssize_t)len ? 0 : -5;
}

static int32_t disk_write(void *context, uint64_t lba, uint32_t blocks, const void *from)
{
	size_t len = (size_t)blocks * BLOCK;

	return pwrite(*(int *)context, from, len, (off_t)(lba * BLOCK)) == (ssize_t)len ? 0 : -5;
}

static int32_t disk_flush(void *context)
{
	return fsync(*(int *)context) == 0 ? 0 : -5;
}

/* The bundle: a file, too. */

static int32_t bundle_read(void *context, void *to, size_t len, size_t *got)
{
	ssize_t count = read(*(int *)context, to, len);

	*got = count < 0 ? 0 : (size_t)count;
	return count < 0 ? -5 : 0;
}

static int32_t progress(void *context, uint32_t phase, uint64_t done, uint64_t total)
{
	(void)context;
	if (done == total)
		printf("phase %u: %llu bytes\n", phase, (unsigned long long)total);
	return 0;
}

static void say(void *context, uint32_t news, uint8_t slot, const char *text)
{
	(void)context;
	printf("news %u, slot %c: %s\n", news, slot == LU_NO_SLOT ? '-' : LU_LETTER(slot), text);
}

/* The board: what its profile says. */

#define ROOT LU_GUID(0x4f68bce3, 0xe8cd, 0x4db1, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09)

static const struct lu_partition partitions[] = {
	{ .size = sizeof(partitions[0]), .slot = 1, .control = 1, .type_guid = ROOT, .role = "root", .label = "root-a" },
	{ .size = sizeof(partitions[0]), .slot = 2, .control = 1, .type_guid = ROOT, .role = "root", .label = "root-b" },
};

static uint8_t slot_of(const char *letter)
{
	return (uint8_t)(letter[0] - 'a' + 1);
}

/* Starting a slot: its image into memory, checked there. A real one would jump into it once lu_boot has answered. */
static int32_t start(void *context, void *sound, const struct lu_boot *boot)
{
	size_t len = lu_load_memory(sound, "root"), image = 0;
	struct lu_error error = { .size = sizeof(error) };
	void *memory = malloc(len);
	int32_t answer = memory ? lu_load(sound, "root", memory, len, &image, &error) : LU_E_MEMORY;

	(void)context;
	if (answer < 0)
		printf("slot %c: %s\n", LU_LETTER(boot->slot), error.text);
	else
		printf("slot %c: %zu bytes are checked, in memory\n", LU_LETTER(boot->slot), image);
	free(memory);
	return answer;
}

int main(int argc, char **argv)
{
	static uint8_t der[256];
	struct lu_error error = { .size = sizeof(error) };
	struct lu_boot boot = { .size = sizeof(boot) };
	struct lu_listener listener = { .size = sizeof(listener), .progress = progress, .say = say };
	struct lu_key key = { .der = der };
	struct lu_board board = {
		.size = sizeof(board), .tries = 3, .guard = 3, .partitions = partitions,
		.partition_count = 2, .compatible = "qemu-x86_64", .keys = &key, .key_count = 1,
	};
	size_t len = lu_full_memory();
	void *memory = malloc(len);
	int fd, file, bundle;
	int32_t answer = LU_E_ARGUMENT;
	struct stat stat;
	ssize_t count;

	if (argc < 4 || !memory || lu_abi() != LU_ABI) {
		fputs("usage: device DISK KEY.der choose|spend|status|boot|install BUNDLE SLOT|verify SLOT|good SLOT|bad SLOT\n", stderr);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	file = open(argv[2], O_RDONLY);
	if (fd < 0 || file < 0 || fstat(fd, &stat) < 0) {
		perror("device");
		return 2;
	}
	count = read(file, der, sizeof(der));
	key.len = count < 0 ? 0 : (size_t)count;
	close(file);
	struct lu_disk disk = {
		.size = sizeof(disk), .block_size = BLOCK, .block_count = (uint64_t)stat.st_size / BLOCK, .context = &fd,
		.read = disk_read, .write = disk_write, .flush = disk_flush,
	};

	if (!strcmp(argv[3], "choose") || !strcmp(argv[3], "spend")) {
		answer = argv[3][0] == 'c' ? lu_choose(&disk, &board, memory, len, &boot, &error) :
					     lu_choose_and_spend(&disk, &board, memory, len, &boot, &error);
		if (answer == LU_DONE)
			printf("slot %c, kind %u, %u tries left\n", LU_LETTER(boot.slot), boot.kind, boot.tries_left);
	} else if (!strcmp(argv[3], "boot")) {
		struct lu_rules rules = { .size = sizeof(rules) };
		struct lu_starter starter = { .size = sizeof(starter), .start = start };

		answer = lu_boot(&disk, &board, &rules, &starter, &listener, memory, len, &boot, &error);
		if (answer == LU_DONE)
			printf("slot %c starts, %u tries left\n", LU_LETTER(boot.slot), boot.tries_left);
	} else if (!strcmp(argv[3], "install") && argc == 6) {
		struct lu_source source = { .size = sizeof(source), .context = &bundle, .read = bundle_read };
		struct lu_request request = { .size = sizeof(request) };
		struct lu_installed installed = { .size = sizeof(installed) };

		bundle = open(argv[4], O_RDONLY);
		board.booted = slot_of(argv[5]);
		answer = lu_install(&disk, &board, &source, &request, &listener, memory, len, &installed, &error);
		close(bundle);
		if (answer >= 0)
			printf("%s is in slot %c\n", installed.version, LU_LETTER(installed.slot));
	} else if (!strcmp(argv[3], "status")) {
		struct lu_slot_status slots[2] = { { .size = sizeof(slots[0]) }, { .size = sizeof(slots[0]) } };

		answer = lu_status(&disk, &board, memory, len, slots, 2, &error);
		for (int at = 0; at < 2 && answer == LU_DONE; at++)
			printf("slot %c: state %u, version %s\n", LU_LETTER(slots[at].slot), slots[at].state, slots[at].version);
	} else if (argc == 5 && !strcmp(argv[3], "verify")) {
		size_t image = 0, room = 0;
		void *to = malloc(1);

		/* What a boot loader does that has an address for it; here the first call says how much it takes. */
		answer = lu_verify(&disk, &board, slot_of(argv[4]), "root", memory, len, to, 1, &room, &error);
		if (answer == LU_E_MEMORY && room > 1) {
			free(to);
			to = malloc(room);
			answer = to ? lu_verify(&disk, &board, slot_of(argv[4]), "root", memory, len, to, room, &image, &error) : answer;
		}
		if (answer == LU_DONE)
			printf("%zu bytes are authentic\n", image);
		free(to);
	} else if (argc == 5 && !strcmp(argv[3], "good")) {
		board.booted = slot_of(argv[4]);
		answer = lu_confirm(&disk, &board, board.booted, &listener, memory, len, &error);
	} else if (argc == 5 && !strcmp(argv[3], "bad")) {
		answer = lu_reject(&disk, &board, slot_of(argv[4]), "the example says so", &listener, memory, len, &error);
	}
	if (answer == LU_NOTHING || answer == LU_NOT_SPENT)
		puts(lu_text(answer));
	if (answer < 0)
		printf("%d: %s: %s\n", answer, lu_text(answer), error.text);
	free(memory);
	close(fd);
	return answer < 0 ? 1 : 0;
}
