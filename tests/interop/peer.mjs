// SPDX-License-Identifier: Apache-2.0
// libsignal as the other side: one JSON object a line in, one a line out, in order. A test program only; nothing of it is
// linked into or shipped with anything of ours. Bytes are hexadecimal. Every command names the device it is for (`me`),
// made by the first `device` command of that name.
import * as readline from 'node:readline';
import * as signal from '@signalapp/libsignal-client';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const raw = (text) => Buffer.from(text, 'hex');
const address = (name) => signal.ProtocolAddress.new(name, 1);

class Sessions extends signal.SessionStore {
  records = new Map();
  async saveSession(name, record) { this.records.set(name.toString(), record.serialize()); }
  async getSession(name) {
    const bytes = this.records.get(name.toString());
    return bytes ? signal.SessionRecord.deserialize(bytes) : null;
  }
  async getExistingSessions(addresses) { return Promise.all(addresses.map((name) => this.getSession(name))); }
}

class Identities extends signal.IdentityKeyStore {
  known = new Map();
  constructor(key, registrationId) { super(); this.key = key; this.registrationId = registrationId; }
  async getIdentityKey() { return this.key; }
  async getLocalRegistrationId() { return this.registrationId; }
  async saveIdentity(name, key) {
    const before = this.known.get(name.toString());
    this.known.set(name.toString(), key);
    return before && !before.equals(key) ? signal.IdentityChange.ReplacedExisting : signal.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(name, key) {
    const known = this.known.get(name.toString());
    return known === undefined || known.equals(key);
  }
  async getIdentity(name) { return this.known.get(name.toString()) ?? null; }
}

// Serves as the store of each kind of prekey.
class Prekeys {
  records = new Map();
  used = [];
  save(id, record) { this.records.set(id, record); }
  get(id) {
    if (!this.records.has(id)) throw new Error(`no prekey ${id}`);
    return this.records.get(id);
  }
}

class OneTimePrekeys extends signal.PreKeyStore {
  kept = new Prekeys();
  async savePreKey(id, record) { this.kept.save(id, record); }
  async getPreKey(id) { return this.kept.get(id); }
  async removePreKey(id) { this.kept.records.delete(id); }
}

class SignedPrekeys extends signal.SignedPreKeyStore {
  kept = new Prekeys();
  async saveSignedPreKey(id, record) { this.kept.save(id, record); }
  async getSignedPreKey(id) { return this.kept.get(id); }
}

class KyberPrekeys extends signal.KyberPreKeyStore {
  kept = new Prekeys();
  async saveKyberPreKey(id, record) { this.kept.save(id, record); }
  async getKyberPreKey(id) { return this.kept.get(id); }
  async markKyberPreKeyUsed(id) { this.kept.used.push(id); }
}

class SenderKeys extends signal.SenderKeyStore {
  records = new Map();
  async saveSenderKey(sender, id, record) { this.records.set(`${sender.toString()}/${id}`, record.serialize()); }
  async getSenderKey(sender, id) {
    const bytes = this.records.get(`${sender.toString()}/${id}`);
    return bytes ? signal.SenderKeyRecord.deserialize(bytes) : null;
  }
}

class Device {
  nextId = 1;
  sessions = new Sessions();
  oneTime = new OneTimePrekeys();
  signedPrekeys = new SignedPrekeys();
  kyber = new KyberPrekeys();
  senderKeys = new SenderKeys();
  constructor(name, registrationId) {
    this.name = name;
    this.registrationId = registrationId;
    this.key = signal.PrivateKey.generate();
    this.identities = new Identities(this.key, registrationId);
  }

  async bundle(oneTime) {
    const id = this.nextId++;
    const signedKey = signal.PrivateKey.generate();
    const signedSignature = this.key.sign(signedKey.getPublicKey().serialize());
    await this.signedPrekeys.saveSignedPreKey(
      id, signal.SignedPreKeyRecord.new(id, Date.now(), signedKey.getPublicKey(), signedKey, signedSignature));
    const kem = signal.KEMKeyPair.generate();
    const kemSignature = this.key.sign(kem.getPublicKey().serialize());
    await this.kyber.saveKyberPreKey(id, signal.KyberPreKeyRecord.new(id, Date.now(), kem, kemSignature));
    const answer = {
      registration: this.registrationId, identity: hex(this.key.getPublicKey().serialize()), id,
      signed: hex(signedKey.getPublicKey().serialize()), signed_signature: hex(signedSignature),
      kyber: hex(kem.getPublicKey().serialize()), kyber_signature: hex(kemSignature),
    };
    if (oneTime) {
      const key = signal.PrivateKey.generate();
      await this.oneTime.savePreKey(id, signal.PreKeyRecord.new(id, key.getPublicKey(), key));
      answer.one_time = hex(key.getPublicKey().serialize());
    }
    return answer;
  }
}

const devices = new Map();

const operations = {
  device({ me, registration }) {
    devices.set(me, new Device(me, registration));
    return {};
  },
  async bundle({ me, one_time }) { return devices.get(me).bundle(one_time); },
  async open({ me, them, bundle }) {
    const device = devices.get(me);
    const oneTime = bundle.one_time ? signal.PublicKey.deserialize(raw(bundle.one_time)) : null;
    const made = signal.PreKeyBundle.new(
      bundle.registration, 1, oneTime ? bundle.id : null, oneTime, bundle.id,
      signal.PublicKey.deserialize(raw(bundle.signed)), raw(bundle.signed_signature),
      signal.PublicKey.deserialize(raw(bundle.identity)), bundle.id, signal.KEMPublicKey.deserialize(raw(bundle.kyber)),
      raw(bundle.kyber_signature));
    await signal.processPreKeyBundle(made, address(them), address(me), device.sessions, device.identities);
    return {};
  },
  async encrypt({ me, them, text }) {
    const device = devices.get(me);
    const message = await signal.signalEncrypt(raw(text), address(them), address(me), device.sessions, device.identities);
    return { kind: message.type(), bytes: hex(message.serialize()) };
  },
  async decrypt({ me, them, kind, bytes }) {
    const device = devices.get(me);
    if (kind === signal.CiphertextMessageType.PreKey) {
      return { text: hex(await signal.signalDecryptPreKey(
        signal.PreKeySignalMessage.deserialize(raw(bytes)), address(them), address(me), device.sessions, device.identities,
        device.oneTime, device.signedPrekeys, device.kyber)) };
    }
    return { text: hex(await signal.signalDecrypt(
      signal.SignalMessage.deserialize(raw(bytes)), address(them), address(me), device.sessions, device.identities)) };
  },
  async archive({ me, them }) {
    const device = devices.get(me);
    const record = await device.sessions.getSession(address(them));
    record.archiveCurrentState();
    await device.sessions.saveSession(address(them), record);
    return {};
  },
  // Takes the identity that they have now as the right one.
  trust({ me, them, identity }) {
    devices.get(me).identities.known.set(address(them).toString(), signal.PublicKey.deserialize(raw(identity)));
    return {};
  },
  async ratchet_key_is({ me, them, key }) {
    const record = await devices.get(me).sessions.getSession(address(them));
    return { is: record.currentRatchetKeyMatches(signal.PublicKey.deserialize(raw(key))) };
  },
  async distribute({ me, id }) {
    const device = devices.get(me);
    const message = await signal.SenderKeyDistributionMessage.create(address(me), id, device.senderKeys);
    return { bytes: hex(message.serialize()) };
  },
  async learn({ me, them, bytes }) {
    const message = signal.SenderKeyDistributionMessage.deserialize(raw(bytes));
    await signal.processSenderKeyDistributionMessage(address(them), message, devices.get(me).senderKeys);
    return {};
  },
  forget_sender_key({ me, id }) {
    devices.get(me).senderKeys.records.delete(`${address(me).toString()}/${id}`);
    return {};
  },
  async group_encrypt({ me, id, text }) {
    const message = await signal.groupEncrypt(address(me), id, devices.get(me).senderKeys, raw(text));
    return { bytes: hex(message.serialize()) };
  },
  async group_decrypt({ me, them, bytes }) {
    return { text: hex(await signal.groupDecrypt(address(them), devices.get(me).senderKeys, raw(bytes))) };
  },
  fingerprint({ me, identifier, their_identifier, their_identity, scanned }) {
    const made = signal.Fingerprint.new(
      5200, 2, raw(identifier), devices.get(me).key.getPublicKey(), raw(their_identifier),
      signal.PublicKey.deserialize(raw(their_identity)));
    const scannable = made.scannableFingerprint();
    return {
      digits: made.displayableFingerprint().toString(), scannable: hex(scannable.toBuffer()),
      fits: scannable.compare(signal.ScannableFingerprint._fromBuffer(raw(scanned))),
    };
  },
  retry_request({ kind, bytes, timestamp, device }) {
    const request = signal.DecryptionErrorMessage.forOriginal(raw(bytes), kind, timestamp, device);
    return { request: hex(request.serialize()), content: hex(signal.PlaintextContent.from(request).serialize()) };
  },
  read_retry_request({ content }) {
    const body = signal.PlaintextContent.deserialize(raw(content)).body();
    const request = signal.DecryptionErrorMessage.extractFromSerializedBody(body);
    const key = request.ratchetKey();
    return { timestamp: request.timestamp(), device: request.deviceId(), ratchet_key: key ? hex(key.serialize()) : '' };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    answer = await operations[command.op](command);
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
