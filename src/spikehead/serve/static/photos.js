// Photos from a camera or from files, small enough to send many.

const CAMERA_SIDE = 320;
const FILE_SIDE = 640;
export const SMALL = 64;
const UNREAD_BYTES = 4 << 20; // of a file that is sent as it is

export async function startCamera(video) {
  if (!navigator.mediaDevices)
    throw new Error("the browser gives pages a camera only on this machine or over https");
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 640 }, height: { ideal: 640 } },
  });
  video.srcObject = stream;
  await video.play();
}

export function stopCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

// The middle square of what the camera sees: what the page shows, and what the encoder takes.
export function takePhoto(video) {
  const side = Math.min(video.videoWidth, video.videoHeight);
  const x = (video.videoWidth - side) / 2;
  const y = (video.videoHeight - side) / 2;
  return drawn(CAMERA_SIDE, CAMERA_SIDE, "camera.jpg", (context) =>
    context.drawImage(video, x, y, side, side, 0, 0, CAMERA_SIDE, CAMERA_SIDE),
  );
}

// A photo that the browser cannot read goes as it is: the service says what is wrong with it.
export async function readFile(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    if (file.size > UNREAD_BYTES)
      throw new Error("the browser cannot read it, and it is too large to be sent as it is");
    return { name: file.name, blob: file, unseen: true };
  }
  const scale = Math.min(1, FILE_SIDE / Math.min(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((size) => Math.round(size * scale));
  const photo = await drawn(width, height, file.name, (context) => {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
  });
  bitmap.close();
  return photo;
}

// A photo as a small square picture, in the form of an address; nothing of what cannot be read.
export async function smaller(blob, side) {
  try {
    const bitmap = await createImageBitmap(blob);
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const part = Math.min(bitmap.width, bitmap.height);
    const [x, y] = [bitmap.width, bitmap.height].map((size) => (size - part) / 2);
    canvas.getContext("2d").drawImage(bitmap, x, y, part, part, 0, 0, side, side);
    bitmap.close();
    return canvas.toDataURL("image/jpeg", 0.8);
  } catch {
    return null;
  }
}

async function drawn(width, height, name, draw) {
  const canvas = new OffscreenCanvas(width, height);
  draw(canvas.getContext("2d"));
  return { name, blob: await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 }) };
}
